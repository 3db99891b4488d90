package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/outbound"
	"github.com/stoker-fhir/stoker/services/allinone/internal/kickoff"
)

// Where jobs are watched, below [fhirBase]. Both have more segments than what is of a dataset.
const (
	statusPath  = fhirBase + "/$import/status/"
	outcomePath = fhirBase + "/$import/outcome/"
)

// fhirImport queues an import that is asked for by $import, and answers where it is to be watched.
func (s *Server) fhirImport(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		failBody(w, err)
		return
	}
	asked, err := kickoff.Read(r.Header.Get("Content-Type"), body)
	switch {
	case errors.Is(err, kickoff.ErrMediaType):
		fail(w, http.StatusUnsupportedMediaType, err)
		return
	case err != nil:
		fail(w, http.StatusBadRequest, err)
		return
	}
	c := callerOf(r)
	if err := c.allowURLs(asked.Sources); err != nil {
		fail(w, http.StatusUnprocessableEntity, err)
		return
	}
	req := fhirmsg.ImportRequest{
		Dataset: r.PathValue("dataset"), Sources: asked.Sources,
		Snapshot: asked.Snapshot, SnapshotTypes: asked.SnapshotTypes, MaxDeletes: asked.MaxDeletes, Mends: asked.Mends,
	}
	if c.isOperator() || c.supplier.Base == "" {
		req.Base = asked.Base
	}
	s.enqueue(w, r, req, s.beginJob, func(req fhirmsg.ImportRequest) {
		w.Header().Set("Content-Location", s.absolute(r, statusPath+req.ID.String()))
		w.WriteHeader(http.StatusAccepted)
	})
}

// allowURLs says at once which URL of a supplier's request the fetcher would refuse to ask for.
func (c caller) allowURLs(sources []fhirmsg.Source) error {
	if c.isOperator() {
		return nil
	}
	allowed := outbound.Policy{Prefixes: c.supplier.URLPrefixes}
	for i, source := range sources {
		u, err := outbound.ParseURL(source.String())
		if err == nil {
			err = allowed.Allows(u)
		}
		if err != nil {
			return fmt.Errorf("URL %d of the request: %w", i+1, err)
		}
	}
	return nil
}

// allowMetadata says at once which URL of oauthMetadataUrl the fetcher would refuse to ask.
func (c caller) allowMetadata(urls []string) error {
	if c.isOperator() || c.supplier.FetchOAuth == nil {
		return nil
	}
	allowed := outbound.Policy{Prefixes: c.supplier.URLPrefixes}
	if c.supplier.Base != "" {
		allowed.Prefixes = append(slices.Clone(allowed.Prefixes), c.supplier.Base)
	}
	for i, raw := range urls {
		u, err := outbound.ParseURL(raw)
		if err == nil {
			err = allowed.Allows(u)
		}
		if err == nil { // by what it says a key is used
			err = c.supplier.CheckTrusted(raw)
		}
		if err != nil {
			return fmt.Errorf("oauthMetadataUrl %d: %w", i+1, err)
		}
	}
	return nil
}

// beginJob makes a status URL valid before anything is queued.
func (s *Server) beginJob(ctx context.Context, req fhirmsg.ImportRequest) error {
	return s.Ledger.BeginJob(ctx, req.ID, req.Supplier)
}

// absolute is a path as a URL that whoever asked can use.
func (s *Server) absolute(r *http.Request, path string) string {
	if s.PublicURL != "" {
		return strings.TrimSuffix(s.PublicURL, "/") + path
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host + path
}
