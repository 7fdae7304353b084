package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"roundhouse/oauth"
)

// serve listens first, so that a taken port is one clear line and not a log
// entry, and so that port 0 is known before anything needs the public URL.
func serve(ctx context.Context, cfg *config, s streams) error {
	ln, err := listen("--addr", cfg.Addr)
	if err != nil {
		return err
	}
	defer ln.Close()
	forOperators, err := listenForOperators(cfg.MetricsAddr)
	if err != nil {
		return err
	}
	defer forOperators.close() // last of all: the drain can be watched
	publicURL := cfg.PublicURL
	if publicURL == "" {
		publicURL = "http://" + ln.Addr().String()
	}
	logger := cfg.logger(s.err)
	p, err := open(ctx, cfg, publicURL, logger)
	if ctx.Err() != nil {
		return nil // interrupted while starting
	}
	if err != nil {
		return err
	}
	forOperators.serve(p.metrics, logger)
	p.metricsURL = forOperators.url()
	if p.backend.sandbox != nil {
		if err := sayKept(context.WithoutCancel(ctx), cfg, p.backend.sandbox, s.err); err != nil {
			return errors.Join(err, p.close())
		}
	}
	// Whoever interrupts while it is printed wants to drain, and no error.
	if err := p.banner(context.WithoutCancel(ctx), s.err); err != nil {
		return errors.Join(err, p.close())
	}

	srv := newHTTPServer(p.handler, logger)
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ln) }() // ends with srv.Shutdown or Close
	purge := p.purge(ctx, logger)
	select {
	case err = <-ended:
	case <-ctx.Done():
		fmt.Fprintln(s.err, "draining: running calls may finish; Ctrl-C again ends at once")
	}
	<-purge
	logger.Info("stopping", "contexts", p.node.Stats())

	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.Drain)
	defer cancel()
	// The node goes first: it ends the streams that srv would wait for, and
	// refuses new requests with a time to retry. What both use goes last.
	tasksEnded := make(chan error, 1)
	go func() { tasksEnded <- p.tasks.Shutdown(drain) }() // ends with drain
	late := errors.Join(p.node.Shutdown(drain), srv.Shutdown(drain), <-tasksEnded)
	if errors.Is(late, context.DeadlineExceeded) {
		fmt.Fprintf(s.err, "some calls did not finish in %s and were canceled\n", cfg.Drain)
		late = srv.Close()
	}
	// A sign-in is lost if Sentry has answered to its refresh and that is not
	// stored: this is not cut off with the calls.
	last, cancelLast := context.WithTimeout(context.WithoutCancel(ctx), lastWrites)
	defer cancelLast()
	return errors.Join(err, late, p.auth.Wait(last), p.close())
}

// lastWrites is how long the end waits for what nobody waits for.
const lastWrites = 25 * time.Second

func listen(flag, addr string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		return nil, fmt.Errorf("listen on %s: %w; choose another address with %s", addr, err, flag)
	}
	return ln, nil
}

// newHTTPServer has no write timeout, because streams stay open; the router
// bounds how long a body may take.
func newHTTPServer(h http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(logger.With("part", "http").Handler(), slog.LevelDebug),
	}
}

// purge removes what has expired from the store, at once and then every hour
// until ctx ends.
func (p *program) purge(ctx context.Context, logger *slog.Logger) (done chan struct{}) {
	done = make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(time.Hour)
		defer ticker.Stop()
		for now := time.Now(); ; {
			if err := errors.Join(purgeAll(ctx, p.store, now), p.tasks.Purge(ctx)); err != nil && ctx.Err() == nil {
				logger.Warn("expired rows not removed", "error", err)
			}
			select {
			case <-ctx.Done():
				return
			case now = <-ticker.C:
			}
		}
	}()
	return done
}

// purgeAll goes on until nothing is left: the store removes a bounded number of
// rows at a time, so that nobody waits long for its lock.
func purgeAll(ctx context.Context, store *oauth.SQLStore, now time.Time) error {
	for {
		removed, err := store.Purge(ctx, now)
		if err != nil || removed == 0 {
			return err
		}
	}
}
