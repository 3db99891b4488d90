package api

import (
	"net/http"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/supplier"
	"github.com/stoker-fhir/stoker/services/writer/operate"
)

var replaceParam = flag("replace", "Also one that is there, anew.")

func (s *Server) supplierRoutes() []route {
	return []route{
		{pattern: "GET /suppliers", handle: s.suppliers, operation: operation{
			id: "listSuppliers", summary: "All suppliers that were declared", answers: ok([]ledger.Supplier{}),
		}},
		{pattern: "POST /suppliers", handle: s.addSupplier, operation: operation{
			id: "addSupplier", summary: "Declare a supplier", text: "A field that is not known is refused.", query: params{replaceParam},
			takes: &content{of: supplier.Supplier{}, most: maxRequest}, answers: []answers{gives(http.StatusCreated, ledger.Supplier{}, "Location")}, fails: []int{400, 422},
		}},
		{pattern: "GET /suppliers/{name}", who: anyone, handle: s.supplier, operation: operation{
			id: "getSupplier", summary: "One supplier; a supplier sees itself, without its credentials", answers: ok(ledger.Supplier{}), fails: []int{404},
		}},
		{pattern: "DELETE /suppliers/{name}", handle: s.removeSupplier, operation: operation{
			id: "removeSupplier", summary: "Refuse what a supplier delivers from now on", answers: ok(ledger.Supplier{}), fails: []int{404, 422},
		}},
		{pattern: "POST /suppliers/{name}/tokens", handle: s.addToken, unkeyed: true, operation: operation{
			id: "addToken", summary: "Make a bearer token for a supplier", text: "It is shown this once. No Idempotency-Key repeats the answer, which is kept nowhere.",
			answers: []answers{gives(http.StatusCreated, NewToken{})}, fails: []int{404, 422},
		}},
	}
}

func (s *Server) syncRoutes() []route {
	one := ok(Sync{})
	return []route{
		{pattern: "GET /syncs", handle: s.syncs, operation: operation{id: "listSyncs", summary: "All syncs, each with its last run", answers: ok([]ledger.Sync{})}},
		{pattern: "POST /syncs", handle: s.addSync, operation: operation{
			id: "addSync", summary: "Declare a sync", text: "A field that is not known is refused.", query: params{replaceParam},
			takes: &content{of: supplier.Sync{}, most: maxRequest}, answers: []answers{gives(http.StatusCreated, Sync{}, "Location")}, fails: []int{400, 422},
		}},
		{pattern: "GET /syncs/{name}", handle: s.sync, operation: operation{id: "getSync", summary: "One sync with its runs, 20 at most", query: params{flag("brief", "Without what takes a while to find.")}, answers: one, fails: []int{404}}},
		{pattern: "DELETE /syncs/{name}", handle: s.removeSync, operation: operation{
			id: "removeSync", summary: "Remove a sync; what it imported stays", answers: []answers{{status: http.StatusNoContent}}, fails: []int{404, 409, 422},
		}},
		{pattern: "POST /syncs/{name}/run", handle: s.runSync, operation: operation{
			id: "runSync", summary: "Begin a run now", query: params{
				flag("full", "All of it, whatever was imported before."), flag("reconcile", "All of it, and then what the source lacks is deleted."),
				query("max_deletes", "With reconcile: how much may be deleted, a number, a share such as 2.5%, or off.", nil),
			},
			answers: []answers{gives(http.StatusAccepted, Sync{})}, fails: []int{404, 409, 422},
		}},
		{pattern: "POST /syncs/{name}/pause", handle: s.pauseSync, operation: operation{id: "pauseSync", summary: "Begin no run by schedule until it is resumed", answers: one, fails: []int{404, 409, 422}}},
		{pattern: "POST /syncs/{name}/resume", handle: s.resumeSync, operation: operation{id: "resumeSync", summary: "Go on with a sync", answers: one, fails: []int{404, 409, 422}}},
	}
}

func (s *Server) datasetRoutes() []route {
	return []route{
		{pattern: "GET /datasets", handle: s.datasets, operation: operation{id: "listDatasets", summary: "All datasets", answers: ok([]operate.Dataset{})}},
		{pattern: "DELETE /datasets/{dataset}", handle: s.drop, operation: operation{
			id: "dropDataset", summary: "Drop a dataset with its rows", answers: ok(struct{}{}), fails: []int{400, 404, 409},
		}},
		{pattern: "POST /datasets/{dataset}/swap", handle: s.swap, operation: operation{
			id: "swapDataset", summary: "Give a dataset the place of another one", text: "Where it is not yet as far, the answer has the replay to wait for.",
			query: params{must(query("with", "The other dataset.", nil))}, answers: ok(operate.Swapped{}), fails: []int{400, 404, 409},
		}},
		{pattern: "PUT /datasets/{dataset}/history", handle: s.setHistory, operation: operation{
			id: "setHistory", summary: "Keep every version from now on, or no more",
			takes: &content{of: History{}, most: maxRequest}, answers: ok(History{}), fails: []int{400, 404, 409},
		}},
		{pattern: "GET /datasets/{dataset}/{type}/{id}", handle: s.trace, operation: operation{
			id: "trace", summary: "Every delivery of a resource, and what is stored", answers: ok(Trace{}), fails: []int{400},
		}},
	}
}

func (s *Server) queueRoutes() []route {
	return []route{
		{pattern: "POST /replays", handle: s.replay, operation: operation{
			id: "replay", summary: "Write again what the queue has of a dataset, into it or into another one",
			takes: &content{of: operate.ReplayRequest{}, most: maxRequest}, answers: []answers{gives(http.StatusAccepted, ledger.Replay{}, "Location")}, fails: []int{400, 404, 409},
		}},
		{pattern: "GET /replays", handle: s.replays, operation: operation{id: "listReplays", summary: "The newest replays, 50 at most", answers: ok([]ledger.Replay{})}},
		{pattern: "GET /replays/{id}", handle: s.replayStatus, operation: operation{id: "getReplay", summary: "A replay, as it stands", answers: ok(ledger.Replay{}), fails: []int{400, 404}}},
		{pattern: "POST /replays/{id}/cancel", handle: s.cancelReplay, operation: operation{
			id: "cancelReplay", summary: "End a replay; what was written stays", answers: ok(ledger.Replay{}), fails: []int{400, 404, 409},
		}},
		{pattern: "POST /restore", handle: s.restore, operation: operation{
			id: "restore", summary: "Bring back what a database lacks that was restored from a backup",
			takes: &content{of: operate.RestoreRequest{}, most: maxRequest}, answers: []answers{gives(http.StatusAccepted, operate.Restored{})}, fails: []int{400, 404, 409},
		}},
		{pattern: "GET /streams", handle: s.streams, operation: operation{id: "streams", summary: "What waits, and how far back a replay can go", answers: ok(operate.Streams{})}},
		{pattern: "GET /pressure", handle: s.pressure, operation: operation{id: "pressure", summary: "Which queues are full, and which types are paused", answers: ok(bus.Pressure{})}},
		{pattern: "POST /types/{type}/pause", handle: s.pauseType, operation: operation{
			id: "pauseType", summary: "Stop storing a resource type",
			query: params{query("for", "A duration such as 2h30m; left out: until it is resumed.", nil)}, answers: ok(bus.Pressure{}), fails: []int{400},
		}},
		{pattern: "POST /types/{type}/resume", handle: s.resumeType, operation: operation{id: "resumeType", summary: "Go on with a resource type", answers: ok(bus.Pressure{}), fails: []int{400}}},
	}
}

func (s *Server) serviceRoutes() []route {
	word := func(status int) []answers { return []answers{{status: status, media: typeText}} }
	return []route{
		{pattern: "GET " + openAPIPath, who: everybody, handle: s.openAPI, operation: operation{
			id: "openAPI", summary: "This document", answers: ok(map[string]any{}),
		}},
		{pattern: "GET /healthz", who: everybody, operation: operation{id: "healthz", summary: "Whether the process serves requests", answers: word(http.StatusOK)}},
		{pattern: "GET /readyz", who: everybody, operation: operation{
			id: "readyz", summary: "Whether it takes work: 503 with the reasons, a line each", answers: append(word(http.StatusOK), word(http.StatusServiceUnavailable)...),
		}},
		{pattern: "GET /metrics", who: everybody, operation: operation{id: "metrics", summary: "Figures in the form of Prometheus", answers: word(http.StatusOK)}},
	}
}
