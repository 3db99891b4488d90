package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/smart"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// NewToken is the answer to a request for a token. It is shown this once.
type NewToken struct {
	Token string `json:"token"`
	Hash  string `json:"hash"` // what is kept of it
}

func (s *Server) suppliers(w http.ResponseWriter, r *http.Request) {
	list, err := s.Ledger.Suppliers(r.Context())
	if err != nil {
		s.failLedger(w, err)
		return
	}
	reply(w, http.StatusOK, list)
}

// supplier answers with one; a supplier sees itself, without what it proves itself by.
func (s *Server) supplier(w http.ResponseWriter, r *http.Request) {
	c, name := callerOf(r), r.PathValue("name")
	if !c.isOperator() && name != c.name() {
		fail(w, http.StatusNotFound, ledger.ErrNoSupplier)
		return
	}
	declared, err := s.Ledger.Supplier(r.Context(), name)
	if err != nil {
		s.failSupplier(w, err)
		return
	}
	if !c.isOperator() {
		declared.Credentials = supplier.Credentials{}
	}
	reply(w, http.StatusOK, declared)
}

// addSupplier declares a supplier; ?replace=1 also one that is there.
func (s *Server) addSupplier(w http.ResponseWriter, r *http.Request) {
	var declared supplier.Supplier
	in := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	in.DisallowUnknownFields() // a limit that is misspelt would be none
	if err := in.Decode(&declared); err != nil {
		fail(w, http.StatusBadRequest, fmt.Errorf("supplier: %w", err))
		return
	}
	if err := smart.Check(declared); err != nil {
		fail(w, http.StatusUnprocessableEntity, err)
		return
	}
	if err := s.Ledger.AddSupplier(r.Context(), declared, r.URL.Query().Get("replace") == "1"); err != nil {
		s.failSupplier(w, err)
		return
	}
	w.Header().Set("Location", "/suppliers/"+declared.Name)
	s.answerSupplier(w, r, http.StatusCreated, declared.Name)
}

func (s *Server) removeSupplier(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if err := s.Ledger.RemoveSupplier(r.Context(), name); err != nil {
		s.failSupplier(w, err)
		return
	}
	s.answerSupplier(w, r, http.StatusOK, name)
}

func (s *Server) answerSupplier(w http.ResponseWriter, r *http.Request, status int, name string) {
	declared, err := s.Ledger.Supplier(r.Context(), name)
	if err != nil {
		s.failSupplier(w, err)
		return
	}
	reply(w, status, declared)
}

// addToken makes a token for a supplier. It is the one POST that no Idempotency-Key repeats, since its
// answer is kept nowhere.
func (s *Server) addToken(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	token, hash := supplier.NewToken(name)
	if err := s.Ledger.AddToken(r.Context(), name, hash); err != nil {
		s.failSupplier(w, err)
		return
	}
	reply(w, http.StatusCreated, NewToken{Token: token, Hash: hash})
}

// failSupplier answers with what an error about a supplier means.
func (s *Server) failSupplier(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, ledger.ErrNoSupplier):
		fail(w, http.StatusNotFound, err)
	case errors.Is(err, ledger.ErrSupplier):
		fail(w, http.StatusUnprocessableEntity, err)
	default:
		s.failLedger(w, err)
	}
}
