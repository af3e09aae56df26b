package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// handler serves the agent's API.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/state", s.getState)
	mux.HandleFunc("PUT /v1/hosts", s.putHosts)
	mux.HandleFunc("PUT /v1/layers", s.putLayers)
	mux.HandleFunc("POST /v1/probe", s.postProbe)
	mux.HandleFunc("PUT /v1/forwards", s.putForwards)
	mux.HandleFunc("GET /v1/lease", s.lease)
	mux.HandleFunc("POST /v1/lease", s.lease)
	mux.HandleFunc("POST /v1/stop", s.postStop)
	return mux
}

func (s *Server) getState(w http.ResponseWriter, _ *http.Request) {
	state, err := s.core.state()
	reply(w, state, err)
}

func (s *Server) putHosts(w http.ResponseWriter, r *http.Request) {
	var hosts []Host
	if err := decode(w, r, &hosts); err != nil {
		reply(w, nil, err)
		return
	}
	err := s.core.setHosts(hosts)
	if err == nil {
		s.prober.Keep(hosts)
	}
	reply(w, struct{}{}, err)
}

func (s *Server) putLayers(w http.ResponseWriter, r *http.Request) {
	var req ShapeRequest
	if err := decode(w, r, &req); err != nil {
		reply(w, nil, err)
		return
	}
	applied, err := s.core.setLayers(req)
	reply(w, applied, err)
}

func (s *Server) postProbe(w http.ResponseWriter, r *http.Request) {
	var req ProbeRequest
	if err := decode(w, r, &req); err != nil {
		reply(w, nil, err)
		return
	}
	if err := checkProbe(req); err != nil {
		reply(w, nil, refuse(http.StatusBadRequest, "probe links: %v", err))
		return
	}
	hosts, err := s.core.endpoints(req.Links)
	if err != nil {
		reply(w, nil, err)
		return
	}
	measured, err := s.prober.Probe(r.Context(), hosts, req.Links, req.Plan)
	if err != nil {
		err = fmt.Errorf("probe links: %w", err)
	}
	reply(w, measured, err)
}

// lease answers at once, and then holds the connection open until the other end or the server closes it.
func (s *Server) lease(w http.ResponseWriter, r *http.Request) {
	release := s.core.acquire()
	defer release()
	w.WriteHeader(http.StatusOK)
	if err := http.NewResponseController(w).Flush(); err != nil {
		return
	}
	select {
	case <-r.Context().Done():
	case <-s.stopping:
	}
}

func (s *Server) postStop(w http.ResponseWriter, _ *http.Request) {
	reply(w, struct{}{}, nil)
	s.stop(nil)
}

// decode reads a request's body: one JSON value without unknown fields.
func decode(w http.ResponseWriter, r *http.Request, into any) error {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return refuse(http.StatusBadRequest, "decode request: %v", err)
	}
	if dec.More() {
		return refuse(http.StatusBadRequest, "decode request: more than one JSON value")
	}
	return nil
}

// reply sends a value as JSON, or an error as text.
func reply(w http.ResponseWriter, value any, err error) {
	if err != nil {
		status := http.StatusInternalServerError
		var refusal *Error
		if errors.As(err, &refusal) {
			status = refusal.Status
		}
		http.Error(w, err.Error(), status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	// The connection is all that can fail here, and then there is nobody to tell.
	_ = json.NewEncoder(w).Encode(value)
}
