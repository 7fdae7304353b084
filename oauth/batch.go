package oauth

import (
	"context"
	"sync"
	"time"
)

// batchWait bounds one write of a batch, and one call of the upstream that
// nobody waits for.
const batchWait = 10 * time.Second

// batch gathers what need not be written before the answer. A goroutine starts
// with the first item, writes what has gathered, again and again, and ends when
// nothing is left: one commit serves all that came during the one before.
type batch[T any] struct {
	write func(context.Context, []T) error
	most  int // items that may wait; one more is dropped
	fail  func(err error, lost int)

	mu      sync.Mutex
	waiting []T
	lost    int           // dropped since the last write
	idle    chan struct{} // closed when the goroutine ends; nil: there is none
}

func (b *batch[T]) add(item T) { b.addBelow(b.most, item) }

// addBelow is add for what must leave room for others: it drops the item where
// so many wait already.
func (b *batch[T]) addBelow(most int, item T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) >= most {
		b.lost++
		return
	}
	b.waiting = append(b.waiting, item)
	if b.idle == nil {
		b.idle = make(chan struct{})
		go b.run(b.idle)
	}
}

func (b *batch[T]) run(idle chan struct{}) {
	defer close(idle)
	for {
		items, lost := b.take()
		if len(items) == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), batchWait)
		err := b.write(ctx, items)
		cancel()
		if err != nil {
			lost += len(items)
		}
		if lost > 0 {
			b.fail(err, lost)
		}
	}
}

func (b *batch[T]) take() (items []T, lost int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	items, lost = b.waiting, b.lost
	b.waiting, b.lost = nil, 0
	if len(items) == 0 {
		b.idle = nil
	}
	return items, lost
}

// wait returns when everything added before has been written, or ctx has ended.
func (b *batch[T]) wait(ctx context.Context) error {
	b.mu.Lock()
	idle := b.idle
	b.mu.Unlock()
	if idle == nil {
		return nil
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
