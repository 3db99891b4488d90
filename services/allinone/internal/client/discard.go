package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/services/allinone/internal/api"
	"github.com/stoker-fhir/stoker/services/writer"
)

// Discard undoes an import, or its file of a name or an index where file is not "". A rehearsal changes
// nothing and tells what would be done.
func (c *Client) Discard(ctx context.Context, id fhirmsg.ImportID, file string, rehearse bool) (d writer.Discarded, err error) {
	query := url.Values{"file": {file}}
	if rehearse {
		query.Set("rehearse", "1")
	}
	err = c.call(ctx, http.MethodPost, "/imports/"+id.String()+"/discard?"+query.Encode(), nil, &d)
	return d, err
}

// ConfirmSnapshot lets a snapshot that was refused delete up to another limit.
func (c *Client) ConfirmSnapshot(ctx context.Context, id fhirmsg.ImportID, maxDeletes string) error {
	return c.call(ctx, http.MethodPost, "/imports/"+id.String()+"/snapshot?"+url.Values{"max_deletes": {maxDeletes}}.Encode(), nil, nil)
}

// SetHistory turns on or off that a dataset keeps every version, and tells whether that was new.
func (c *Client) SetHistory(ctx context.Context, dataset string, on bool) (changed bool, err error) {
	var h api.History
	err = c.callJSON(ctx, http.MethodPut, "/datasets/"+url.PathEscape(dataset)+"/history", api.History{History: on}, &h)
	return h.Changed, err
}
