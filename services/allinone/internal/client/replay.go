package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/services/writer/operate"
)

// Replay begins a replay.
func (c *Client) Replay(ctx context.Context, req operate.ReplayRequest) (r ledger.Replay, err error) {
	err = c.callJSON(ctx, http.MethodPost, "/replays", req, &r)
	return r, err
}

// Restore brings back what a restored database lacks, and begins the replays for it.
func (c *Client) Restore(ctx context.Context, req operate.RestoreRequest) (r operate.Restored, err error) {
	err = c.callJSON(ctx, http.MethodPost, "/restore", req, &r)
	return r, err
}

// Replays returns the newest replays.
func (c *Client) Replays(ctx context.Context) (list []ledger.Replay, err error) {
	err = c.call(ctx, http.MethodGet, "/replays", nil, &list)
	return list, err
}

// ReplayStatus returns a replay as it stands.
func (c *Client) ReplayStatus(ctx context.Context, id fhirmsg.ImportID) (r ledger.Replay, err error) {
	err = c.call(ctx, http.MethodGet, "/replays/"+id.String(), nil, &r)
	return r, err
}

// CancelReplay ends a replay and returns it.
func (c *Client) CancelReplay(ctx context.Context, id fhirmsg.ImportID) (r ledger.Replay, err error) {
	err = c.call(ctx, http.MethodPost, "/replays/"+id.String()+"/cancel", nil, &r)
	return r, err
}

// Datasets lists all datasets.
func (c *Client) Datasets(ctx context.Context) (list []operate.Dataset, err error) {
	err = c.call(ctx, http.MethodGet, "/datasets", nil, &list)
	return list, err
}

// Swap gives two datasets each other's names, or says which replay has to end first.
func (c *Client) Swap(ctx context.Context, a, b string) (s operate.Swapped, err error) {
	err = c.call(ctx, http.MethodPost, "/datasets/"+url.PathEscape(a)+"/swap?with="+url.QueryEscape(b), nil, &s)
	return s, err
}

// Drop removes a dataset.
func (c *Client) Drop(ctx context.Context, dataset string) error {
	return c.call(ctx, http.MethodDelete, "/datasets/"+url.PathEscape(dataset), nil, nil)
}

// Streams returns what waits, and how far back a replay can go.
func (c *Client) Streams(ctx context.Context) (s operate.Streams, err error) {
	err = c.call(ctx, http.MethodGet, "/streams", nil, &s)
	return s, err
}
