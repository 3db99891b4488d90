package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/supplier"
	"github.com/stoker-fhir/stoker/services/allinone/internal/api"
)

// AddSupplier declares a supplier; replace is anew.
func (c *Client) AddSupplier(ctx context.Context, s supplier.Supplier, replace bool) (declared ledger.Supplier, err error) {
	path := "/suppliers"
	if replace {
		path += "?replace=1"
	}
	err = c.callJSON(ctx, http.MethodPost, path, s, &declared)
	return declared, err
}

// Suppliers lists all that were declared.
func (c *Client) Suppliers(ctx context.Context) (list []ledger.Supplier, err error) {
	err = c.call(ctx, http.MethodGet, "/suppliers", nil, &list)
	return list, err
}

// Supplier returns one.
func (c *Client) Supplier(ctx context.Context, name string) (s ledger.Supplier, err error) {
	err = c.call(ctx, http.MethodGet, "/suppliers/"+url.PathEscape(name), nil, &s)
	return s, err
}

// RemoveSupplier refuses what a supplier delivers from now on.
func (c *Client) RemoveSupplier(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, "/suppliers/"+url.PathEscape(name), nil, nil)
}

// AddToken makes a bearer token for a supplier.
func (c *Client) AddToken(ctx context.Context, name string) (t api.NewToken, err error) {
	err = c.call(ctx, http.MethodPost, "/suppliers/"+url.PathEscape(name)+"/tokens", nil, &t)
	return t, err
}
