package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"roundhouse/constraint"
	"roundhouse/metrics"
	"roundhouse/router"
)

// newMetrics is called before what it reads is there: nobody can ask for the
// metrics until the program has been opened.
func (p *program) newMetrics(cfg *config) *metrics.Metrics {
	return metrics.New(metrics.Config{
		Version: version(),
		Routes:  router.Routes,
		Read:    func() metrics.Reading { return p.reading(cfg.MaxContexts) },
	})
}

func (p *program) reading(maxContexts int) metrics.Reading {
	node, tasks := p.node.Stats(), p.tasks.Stats()
	bodies, refusedBodies := p.bodies.Held()
	refusals := p.node.Refusals()
	refusals["sessions"], refusals["user_watched"] = node.Transport.RefusedSessions, node.Transport.RefusedWatches
	refusals["tasks"], refusals["bodies"], refusals["user_streams"] = tasks.Refused, refusedBodies, p.streams.Refused()
	remembered, asked := p.store.TokenLookups()
	return metrics.Reading{
		Contexts:      node.Contexts,
		ContextsLimit: maxContexts,
		Actors:        node.Actors,
		Activating:    node.Building,
		Messages:      node.Messages,

		Activations:        node.Activations,
		ActivationFailures: node.Failures,
		Passivations:       node.Passivations,
		Refusals:           refusals,

		TokensRemembered: remembered,
		TokensAsked:      asked,

		Streams:    p.streams.Open(),
		Sessions:   node.Transport.Sessions,
		Tasks:      tasks.Running,
		Watched:    node.Transport.Watched,
		Events:     node.Transport.Events,
		EventBytes: node.Transport.EventBytes,
		Bodies:     bodies,
	}
}

// counted lets the metrics know what comes of looking tokens up.
func (p *program) counted(verify router.Verifier) router.Verifier {
	return func(ctx context.Context, token string) (constraint.Caller, error) {
		caller, err := verify(ctx, token)
		switch {
		case err == nil:
			p.metrics.TokenChecked(metrics.TokenKnown)
		case errors.Is(err, constraint.ErrUnauthorized):
			p.metrics.TokenChecked(metrics.TokenRefused)
		default:
			p.metrics.TokenChecked(metrics.TokenFailed)
		}
		return caller, err
	}
}

// operators is the listener of whoever runs the program, apart from that of
// clients. One without an address does nothing.
type operators struct {
	ln    net.Listener
	srv   *http.Server
	ended chan struct{} // closed when srv has ended; nil: it has not begun
}

func listenForOperators(addr string) (*operators, error) {
	if addr == "" {
		return &operators{}, nil
	}
	ln, err := listen("--metrics-addr", addr)
	return &operators{ln: ln}, err
}

func (o *operators) serve(m *metrics.Metrics, logger *slog.Logger) {
	if o.ln == nil {
		return
	}
	addr, ok := o.ln.Addr().(*net.TCPAddr)
	o.srv = &http.Server{
		Handler:           m.Handler(ok && addr.IP.IsLoopback()),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      metrics.MaxAnswer,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(logger.With("part", "metrics").Handler(), slog.LevelDebug),
	}
	o.ended = make(chan struct{})
	go func() { // ends with close
		defer close(o.ended)
		if err := o.srv.Serve(o.ln); !errors.Is(err, http.ErrServerClosed) {
			logger.Error("metrics no longer served", "error", err)
		}
	}()
}

// url is where the metrics are; empty: nowhere.
func (o *operators) url() string {
	if o.ln == nil {
		return ""
	}
	return "http://" + o.ln.Addr().String() + "/metrics"
}

// close cuts off whoever is reading: the program ends.
func (o *operators) close() {
	switch {
	case o.ended != nil:
		_ = o.srv.Close()
		<-o.ended
	case o.ln != nil:
		_ = o.ln.Close()
	}
}
