package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// server is the HTTP server of the API.
type server struct {
	http   *http.Server
	failed chan error // holds at most one: Serve ended by itself
	done   chan struct{}
}

func newServer(h http.Handler) *server {
	return &server{
		http: &http.Server{
			Handler:           h,
			ReadHeaderTimeout: 5 * time.Second,
			ReadTimeout:       10 * time.Second,
			WriteTimeout:      30 * time.Second,
			IdleTimeout:       time.Minute,
			MaxHeaderBytes:    16 << 10,
			// What a client does wrong is the client's to report.
			ErrorLog: log.New(io.Discard, "", 0),
		},
		failed: make(chan error, 1),
		done:   make(chan struct{}),
	}
}

func (s *server) start(l net.Listener) {
	go func() {
		defer close(s.done)
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- fmt.Errorf("serve the API: %w", err)
		}
	}()
}

// stop lets requests finish for at most shutdownTimeout and returns when the server has ended.
func (s *server) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, shutdownTimeout)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close() // a client that never ends its request must not keep the node
	}
	<-s.done
	if err != nil {
		return fmt.Errorf("stop the API: %w", err)
	}
	return nil
}
