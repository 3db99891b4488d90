package fetcher

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/exporttest"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/supplier"
)

// step hands a request in once, which is to be handed back.
func (f *fetcher) step(t *testing.T, c *clock, req fhirmsg.ImportRequest) (wait time.Duration) {
	t.Helper()
	err := f.fetch(t.Context(), req)
	wait, later := bus.Delay(err)
	if !later {
		t.Fatalf("the request is not handed back: %v", err)
	}
	_ = c.pass(t.Context(), wait)
	return wait
}

// again is a fetcher that follows another one, of which nothing is left but what is stored.
func (f *fetcher) again() *fetcher {
	g := *f
	g.stopping = make(chan struct{})
	return &g
}

func wantJobs(t *testing.T, s *exporttest.Server, when string, wantBegun, wantThere int) {
	t.Helper()
	if begun, there := s.Jobs(); begun != wantBegun || there != wantThere {
		t.Errorf("%s: %d jobs were begun and %d are there, want %d and %d", when, begun, there, wantBegun, wantThere)
	}
}

// TestExportIsResumed: whoever follows a fetcher that died, wherever it was, goes on with the same job, and nothing is
// missing or there twice.
func TestExportIsResumed(t *testing.T) {
	t.Parallel()
	f, c, _ := exporting(t)
	s := exporttest.New(t, exporttest.Options{Resources: exporttest.Patients(4000, march), PerFile: 2000, Time: april, Hold: true})
	req := exportRequest(t, s.URL+"/$export")
	req.ChunkSize = fhirmsg.MinChunkSize

	// It died between the request for the export and its answer.
	if _, claimed, err := f.ledger.ClaimExport(t.Context(), req.ID, 0, c.Now(), c.Now().Add(claimFor)); err != nil || !claimed {
		t.Fatal(claimed, err)
	}
	if wait := f.again().step(t, c, req); wait != claimFor {
		t.Errorf("another one's claim is waited for %s", wait)
	}
	wantJobs(t, s, "before the kick-off", 0, 0)
	f.again().step(t, c, req)
	wantJobs(t, s, "after the kick-off", 1, 1)
	if polls := s.Asked(exporttest.Status); len(polls) != 0 {
		t.Errorf("polled %d times before the status URL was stored", len(polls))
	}
	// While it is polled, each time by another one.
	for range 3 {
		f.again().step(t, c, req)
	}
	status, _ := f.account(t, req.ID, s)
	if status.Waiting == nil || status.Waiting.For != "the export at "+s.URL[:len(s.URL)-len("/fhir")]+" is under way, 42 %" {
		t.Errorf("it waits for %+v", status.Waiting)
	}
	// In the middle of a file.
	s.Set(func(o *exporttest.Options) { o.Hold = false })
	s.Stall(0)
	ctx, die := context.WithCancel(t.Context())
	died := make(chan error)
	go func() { died <- f.again().fetch(ctx, req) }()
	f.waitForChunks(t, 5)
	die()
	if err := <-died; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	s.Release()
	if asked := len(s.Asked(exporttest.File)); asked != 1 {
		t.Errorf("%d files were asked for before it died", asked)
	}
	// Before the job is removed.
	s.Next(exporttest.Remove, answer(http.StatusServiceUnavailable, "", ""))
	if err := f.again().fetch(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	wantJobs(t, s, "at the end", 1, 1)
	content, _, _ := f.published(t, 2)
	status, account := f.account(t, req.ID, s)
	if account != "0.Patient.ndjson closed 2000\n1.Patient.ndjson closed 2000\n" || status.State != ledger.StateDraining {
		t.Errorf("%s, %s", status.State, account)
	}
	if int64(len(content[0])) != status.Files[0].Bytes || int64(len(content[1])) != status.Files[1].Bytes {
		t.Errorf("published %d and %d bytes, stated %d and %d", len(content[0]), len(content[1]), status.Files[0].Bytes, status.Files[1].Bytes)
	}
	g := f.again()
	if err := g.removeExports(t.Context(), fhirmsg.ImportID{}); err != nil {
		t.Fatal(err)
	}
	wantJobs(t, s, "before the claim is over", 1, 1)
	_ = c.pass(t.Context(), removeAgain)
	if err := g.removeExports(t.Context(), fhirmsg.ImportID{}); err != nil {
		t.Fatal(err)
	}
	wantJobs(t, s, "after the sweep", 1, 0)
	_ = c.pass(t.Context(), removeAgain)
	if err := g.removeExports(t.Context(), fhirmsg.ImportID{}); err != nil {
		t.Fatal(err)
	}
	if n := len(s.Asked(exporttest.Remove)); n != 2 {
		t.Errorf("removed %d times", n)
	}
}

// TestExportIsHeld: an export is kept for who asks for it for as long as that takes, and then for as long as claimed.
func TestExportIsHeld(t *testing.T) {
	t.Parallel()
	f, c, _ := exporting(t)
	s := exporttest.New(t, exporttest.Options{Resources: exporttest.Patients(1, march), Time: april, Hold: true})
	req := exportRequest(t, s.URL+"/$export")
	f.step(t, c, req)
	claim := func() (ledger.Export, bool) {
		t.Helper()
		e, claimed, err := f.ledger.ClaimExport(t.Context(), req.ID, 0, c.Now(), c.Now().Add(claimFor))
		if err != nil {
			t.Fatal(err)
		}
		return e, claimed
	}
	e, claimed := claim()
	if !claimed {
		t.Fatal("it is not due")
	}
	release := f.hold(t.Context(), e, time.Millisecond)
	for range 3 {
		_ = c.pass(t.Context(), claimFor/2)
		want := c.Now().Add(claimFor)
		waitUntil(t, func() bool {
			e, claimed := claim()
			if claimed {
				t.Fatal("another one may ask")
			}
			return e.Next.Equal(want)
		})
	}
	release()
	_ = c.pass(t.Context(), claimFor)
	other, claimed := claim()
	if !claimed {
		t.Fatal("nobody else may ask after who claimed it died")
	}
	if err := f.ledger.HoldExport(t.Context(), e, c.Now().Add(24*time.Hour)); !errors.Is(err, ledger.ErrOvertaken) {
		t.Errorf("who is overtaken goes on holding it: %v", err)
	}
	if err := f.ledger.KeepExport(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if err := f.ledger.HoldExport(t.Context(), other, c.Now().Add(24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, claimed := claim(); !claimed {
		t.Error("it is held after it was kept")
	}
}

// TestExportIsOvertaken: a fetcher that was stopped while it asked for an export, until another one asked too, leaves that one's as it
// is, and its own on the server no more.
func TestExportIsOvertaken(t *testing.T) {
	t.Parallel()
	f, c, _ := exporting(t)
	s := exporttest.New(t, exporttest.Options{Resources: exporttest.Patients(1, march), Time: april, Hold: true})
	req := exportRequest(t, s.URL+"/$export")
	slow := f.again()
	var others atomic.Bool
	slow.source.Now = func() time.Time {
		if begun, _ := s.Jobs(); begun == 1 && others.CompareAndSwap(false, true) { // it has its answer
			_ = c.pass(t.Context(), claimFor)
			f.again().step(t, c, req)
		}
		return c.Now()
	}
	if wait := slow.step(t, c, req); wait != claimFor {
		t.Errorf("who was overtaken comes again after %s", wait)
	}
	wantJobs(t, s, "after both", 2, 1)
	s.Set(func(o *exporttest.Options) { o.Hold = false })
	f.again().bring(t, c, req)
	if status, account := f.account(t, req.ID, s); account != "0.Patient.ndjson closed 1\n" {
		t.Errorf("%s: %s", status.State, account)
	}
	wantJobs(t, s, "at the end", 2, 0)
}

// waitForChunks waits until so many are in the queue.
func (f *fetcher) waitForChunks(t *testing.T, n uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		backlog, err := f.deps.Bus.Backlog(ctx, fhirmsg.StreamChunks)
		if err != nil {
			t.Fatal(err)
		}
		var have uint64
		for _, v := range backlog {
			have += uint64(v)
		}
		if have >= n {
			return
		}
		<-ticker.C
	}
}

// TestExportIsCancelled: the job of an import that is cancelled is removed, whoever had the import; that of one that is
// paused is not, and is gone on with.
func TestExportIsCancelled(t *testing.T) {
	t.Parallel()
	f, c, _ := exporting(t)
	s := exporttest.New(t, exporttest.Options{Resources: exporttest.Patients(3, march), Time: april, Hold: true})
	sweep := func() {
		t.Helper()
		_ = c.pass(t.Context(), removeAgain)
		if err := f.removeExports(t.Context(), fhirmsg.ImportID{}); err != nil {
			t.Fatal(err)
		}
	}
	req := exportRequest(t, s.URL+"/$export")
	f.step(t, c, req)
	f.step(t, c, req)
	if err := f.ledger.Pause(t.Context(), req.ID); err != nil {
		t.Fatal(err)
	}
	if err := f.fetch(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	sweep()
	wantJobs(t, s, "paused", 1, 1)
	req, _, err := f.ledger.Resume(t.Context(), req.ID)
	if err != nil {
		t.Fatal(err)
	}
	f.step(t, c, req)
	sweep()
	wantJobs(t, s, "resumed", 1, 1)
	if err := f.ledger.Cancel(t.Context(), req.ID); err != nil {
		t.Fatal(err)
	}
	polls := len(s.Asked(exporttest.Status))
	if err := f.fetch(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	sweep()
	wantJobs(t, s, "cancelled", 1, 0)
	if n := len(s.Asked(exporttest.Status)); n != polls {
		t.Error("a cancelled import is polled")
	}
	// Cancelled long before it is due, it is removed at once.
	s.Next(exporttest.Status, answer(http.StatusAccepted, "80000", ""))
	req = exportRequest(t, s.URL+"/$export")
	f.step(t, c, req)
	if _, later := bus.Delay(f.fetch(t.Context(), req)); !later {
		t.Fatal("the request is not handed back")
	}
	if err := f.ledger.Cancel(t.Context(), req.ID); err != nil {
		t.Fatal(err)
	}
	if err := f.removeExports(t.Context(), fhirmsg.ImportID{}); err != nil {
		t.Fatal(err)
	}
	wantJobs(t, s, "cancelled while it is waited for", 2, 0)
	// One that its server does not remove is left to it.
	s.Set(func(o *exporttest.Options) { o.Hold = false })
	s.Next(exporttest.Remove, answer(http.StatusMethodNotAllowed, "", ""))
	f.bring(t, c, exportRequest(t, s.URL+"/$export"))
	sweep()
	if n := len(s.Asked(exporttest.Remove)); n != 3 {
		t.Errorf("asked to remove %d times", n)
	}
}

// TestExportManifestLater: a manifest that is there in part is not read before the export is at its end, and one of which a page is
// not to be had when the status says that it is, is polled for again.
func TestExportManifestLater(t *testing.T) {
	t.Parallel()
	f, c, _ := exporting(t)
	s := exporttest.New(t, exporttest.Options{Dialect: exporttest.V3, Resources: exporttest.Patients(3, march), PerFile: 1, PageFiles: 1, Time: april, Hold: true})
	req := exportRequest(t, s.URL+"/$export", "allowPartialManifests", "true")
	for range 3 {
		f.step(t, c, req)
	}
	s.Set(func(o *exporttest.Options) { o.Hold = false })
	s.Next(exporttest.Page, answer(http.StatusAccepted, "", ""), answer(http.StatusAccepted, "", ""), answer(http.StatusAccepted, "", ""))
	for _, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		if wait := f.step(t, c, req); wait != want {
			t.Errorf("waited %s for the manifest, want %s", wait, want)
		}
	}
	if files, pinned, err := f.ledger.Files(t.Context(), req.ID); err != nil || pinned {
		t.Fatalf("%d files are listed, %v", len(files), err)
	}
	f.bring(t, c, req)
	if _, account := f.account(t, req.ID, s); account != "0.Patient.ndjson closed 1\n1.Patient.ndjson closed 1\n2.Patient.ndjson closed 1\n" {
		t.Error(account)
	}
	wantJobs(t, s, "at the end", 1, 0)
}

// TestExportOfManyFiles: a manifest with 10,000 files is listed and stored whole. Of the files only the first are read here, and the
// last.
func TestExportOfManyFiles(t *testing.T) {
	t.Parallel()
	f, c, pool := exporting(t)
	const files, read = 10_000, 100
	s := exporttest.New(t, exporttest.Options{Resources: exporttest.Patients(files, march), PerFile: 1, PageFiles: 3000, Time: april})
	req := exportRequest(t, s.URL+"/$export")
	f.step(t, c, req)
	stopped := f.again()
	stopping := make(chan struct{})
	close(stopping)
	stopped.stopping = stopping
	if err := stopped.fetch(t.Context(), req); !errors.Is(err, errStopping) {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), `UPDATE stoker.file SET state = 'closed' WHERE import = $1 AND file BETWEEN $2 AND $3`,
		[16]byte(req.ID), read, files-read-1); err != nil {
		t.Fatal(err)
	}
	f.bring(t, c, req)
	status, _ := f.account(t, req.ID, s)
	if len(status.Files) != files || status.Lines.Read != 2*read || status.State != ledger.StateDraining {
		t.Errorf("%d files, %d lines, %s", len(status.Files), status.Lines.Read, status.State)
	}
	if pages := len(s.Asked(exporttest.Page)); pages != 3 {
		t.Errorf("asked for %d more pages", pages)
	}
	wantJobs(t, s, "at the end", 1, 0)
}

// TestFilesAtOnce: files are downloaded several at once, and no more than that; one after the other where the policy counts through them.
// Stopped in the middle of several, all of them are gone on with.
func TestFilesAtOnce(t *testing.T) {
	t.Parallel()
	f, c, _ := exporting(t)
	f.cfg.Files = 3
	s := exporttest.New(t, exporttest.Options{Resources: exporttest.Patients(12_000, march), PerFile: 2000, Time: april})
	req := exportRequest(t, s.URL+"/$export")
	req.ChunkSize = fhirmsg.MinChunkSize
	f.step(t, c, req)
	s.Stall(0)
	ctx, die := context.WithCancel(t.Context())
	died := make(chan error)
	go func() { died <- f.again().fetch(ctx, req) }()
	for ticker := time.NewTicker(5 * time.Millisecond); len(s.Asked(exporttest.File)) < 3; {
		select {
		case <-ticker.C:
		case err := <-died:
			t.Fatalf("it ended: %v", err)
		}
	}
	f.waitForChunks(t, 30)
	die()
	if err := <-died; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if asked := len(s.Asked(exporttest.File)); asked != 3 {
		t.Errorf("%d files were asked for at once, want 3", asked)
	}
	s.Release()
	f.bring(t, c, req)
	status, account := f.account(t, req.ID, s)
	if strings.Count(account, "closed 2000\n") != 6 || status.State != ledger.StateDraining {
		t.Errorf("%s, %s", status.State, account)
	}
	content, _, _ := f.published(t, 6)
	for i, file := range status.Files {
		if int64(len(content[i])) != file.Bytes {
			t.Errorf("file %d: published %d bytes, stated %d", i, len(content[i]), file.Bytes)
		}
	}

	policy := supplier.Policy{URLPrefixes: []string{strings.TrimSuffix(s.URL, "/fhir")}, InternalHosts: []string{"127.0.0.1"}, MaxLines: 5000}
	if err := f.ledger.AddSupplier(t.Context(), supplier.Supplier{Name: "clinic-a", Policy: policy}, false); err != nil {
		t.Fatal(err)
	}
	req = exportRequest(t, s.URL+"/$export")
	req.Supplier, req.Dataset = "clinic-a", "clinic-a"
	f.bring(t, c, req)
	if _, account := f.account(t, req.ID, s); strings.Count(account, "closed 2000\n") != 2 || strings.Count(account, "more than the 5000 lines") != 4 {
		t.Errorf("with a limit: %s", account)
	}
}
