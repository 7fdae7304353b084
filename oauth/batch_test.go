package oauth

import (
	"context"
	"errors"
	"slices"
	"testing"
)

func TestBatch(t *testing.T) {
	entered, gate := make(chan struct{}), make(chan struct{})
	var written [][]int
	var failed []error
	var lost int
	b := &batch[int]{
		most: 2,
		write: func(_ context.Context, items []int) error {
			written = append(written, items)
			if items[0] == 1 {
				entered <- struct{}{}
				<-gate
				return errors.New("broken")
			}
			return nil
		},
		fail: func(err error, n int) { failed, lost = append(failed, err), lost+n },
	}
	if err := b.wait(t.Context()); err != nil {
		t.Errorf("wait for nothing: %v", err)
	}
	b.add(1)
	<-entered
	for i := 2; i <= 4; i++ { // 4 is one too many
		b.add(i)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("wait under way, canceled: %v", err)
	}
	close(gate)
	if err := b.wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(written) != 2 || !slices.Equal(written[1], []int{2, 3}) || lost != 2 || len(failed) != 2 {
		t.Errorf("written %v, lost %d, failures %v", written, lost, failed)
	}
	b.add(5)
	if err := b.wait(t.Context()); err != nil || len(written) != 3 {
		t.Errorf("a second life: written %v, %v", written, err)
	}
}
