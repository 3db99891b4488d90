package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/supplier"
	"github.com/stoker-fhir/stoker/services/allinone/internal/api"
)

// AddSync declares a sync; replace is anew.
func (c *Client) AddSync(ctx context.Context, s supplier.Sync, replace bool) (declared api.Sync, err error) {
	path := "/syncs"
	if replace {
		path += "?replace=1"
	}
	err = c.callJSON(ctx, http.MethodPost, path, s, &declared)
	return declared, err
}

// Syncs lists all syncs.
func (c *Client) Syncs(ctx context.Context) (list []ledger.Sync, err error) {
	err = c.call(ctx, http.MethodGet, "/syncs", nil, &list)
	return list, err
}

// Sync returns one with its newest runs.
func (c *Client) Sync(ctx context.Context, name string) (s api.Sync, err error) {
	err = c.call(ctx, http.MethodGet, syncPath(name), nil, &s)
	return s, err
}

// SyncProgress is Sync without what is outdated, which takes a while to find.
func (c *Client) SyncProgress(ctx context.Context, name string) (s api.Sync, err error) {
	err = c.call(ctx, http.MethodGet, syncPath(name)+"?brief=1", nil, &s)
	return s, err
}

// RunSync begins a run; full asks for all, whatever was imported before.
func (c *Client) RunSync(ctx context.Context, name string, full bool) (s api.Sync, err error) {
	path := syncPath(name) + "/run"
	if full {
		path += "?full=1"
	}
	err = c.call(ctx, http.MethodPost, path, nil, &s)
	return s, err
}

// ReconcileSync begins a run of everything, after which what the source lacks is deleted, up to a limit; "" is the default one.
func (c *Client) ReconcileSync(ctx context.Context, name, maxDeletes string) (s api.Sync, err error) {
	path := syncPath(name) + "/run?reconcile=1&max_deletes=" + url.QueryEscape(maxDeletes)
	err = c.call(ctx, http.MethodPost, path, nil, &s)
	return s, err
}

// PauseSync lets no run begin.
func (c *Client) PauseSync(ctx context.Context, name string) (s api.Sync, err error) {
	err = c.call(ctx, http.MethodPost, syncPath(name)+"/pause", nil, &s)
	return s, err
}

// ResumeSync lets runs begin again.
func (c *Client) ResumeSync(ctx context.Context, name string) (s api.Sync, err error) {
	err = c.call(ctx, http.MethodPost, syncPath(name)+"/resume", nil, &s)
	return s, err
}

// RemoveSync forgets a sync; what it imported stays.
func (c *Client) RemoveSync(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, syncPath(name), nil, nil)
}

func syncPath(name string) string { return "/syncs/" + url.PathEscape(name) }
