package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/stoker-fhir/stoker/pkg/fhirdef"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/ledgertest"
	"github.com/stoker-fhir/stoker/pkg/pgtest"
)

// TestFullDiskOfPostgreSQL: while the database has no room, batches are held; when there is room
// again, the import goes on, and nothing is missing or rejected.
func TestFullDiskOfPostgreSQL(t *testing.T) {
	t.Parallel()
	source, want := patients(t)
	home := pgtest.Dir(t)
	small := mountSmall(t, home, 160)
	server := pgtest.ServerIn(t, home)
	url, restart := startNATS(t, false)
	p := newPipelineOn(t, url, restart, server.URL())
	p.start("fetcher")
	writer := p.start("writer")
	parser := p.start("parser")
	p.wait(p.request(fhirmsg.ImportRequest{Sources: []fhirmsg.Source{{Path: firstLine(t, source)}}}))
	parser.stop()
	id := p.request(fhirmsg.ImportRequest{ChunkSize: 16 << 10, Sources: []fhirmsg.Source{{Path: source}}})
	waitFor(t, "the files to be fetched", func() bool {
		s, err := p.ledger.Status(t.Context(), id)
		return err == nil && s.State == ledger.StateDraining
	})
	var free func()
	if small {
		free = fill(t, home)
	} else {
		free = p.refuseForLackOfRoom()
	}
	p.start("parser")
	waitFor(t, "a batch to be held", func() bool { return strings.Contains(writer.output(), "holding messages") })
	free()
	select {
	case <-server.Done(): // it gives up where it has no room for its log
		startAgain(t, server, home)
	default:
	}
	p.wantStored(id, want)
}

// TestFullDiskOfNATS: while the queue has no room, or, as it does then, has shut JetStream down, the
// fetcher waits; when it is back, the import goes on, and nothing is missing.
func TestFullDiskOfNATS(t *testing.T) {
	t.Parallel()
	source, want := patients(t)
	home := t.TempDir()
	small := mountSmall(t, home, 64)
	url, restart := startNATSIn(t, home, true)
	p := newPipelineOn(t, url, restart, ledgertest.URL(t))
	p.start("writer")
	waitFor(t, "streams and consumers", func() bool {
		return p.bus.Apply(t.Context(), fhirdef.ResourceTypes(fhirmsg.FHIRVersionR4), nil) == nil
	})
	id := p.request(fhirmsg.ImportRequest{ChunkSize: 16 << 10, Sources: []fhirmsg.Source{{Path: source}}})
	var free func()
	if small {
		free = fill(t, home)
	} else {
		free = p.withoutJetStream(filepath.Join(home, natsConf))
	}
	fetcher := p.start("fetcher")
	p.start("parser")
	waitFor(t, "the fetcher to wait", func() bool {
		out := fetcher.output()
		return strings.Contains(out, "cannot publish, waiting") || strings.Contains(out, "cannot read the queue") ||
			strings.Contains(out, "set up JetStream: waiting")
	})
	free()
	p.restartNATS() // JetStream does not come back by itself
	p.wantStored(id, want)
}

// patients is a file of them, so that all batches go to one table, and the digest of what must be
// stored of it.
func patients(t *testing.T) (path, digest string) {
	t.Helper()
	dir := t.TempDir()
	if r := stoker(t, nil, "", "generate", "--patients", "40", "--seed", "7", dir); r.code != 0 {
		t.Fatal(r.stderr)
	}
	path = filepath.Join(dir, "Patient.ndjson")
	return path, referenceDigest(t, path)
}

// wantStored waits for the end of an import that must be complete, with nothing refused.
func (p *pipeline) wantStored(id fhirmsg.ImportID, want string) {
	p.t.Helper()
	s := p.wait(id)
	wantBalanced(p.t, "with room again", s)
	if s.State != ledger.StateComplete || s.Resources.Rejected != 0 {
		p.t.Errorf("%s: %s, %d rejected", s.State, s.Reason, s.Resources.Rejected)
	}
	if got := digest(p.t, p.databaseURL, "fhir"); got != want {
		p.t.Errorf("digest %s, with a larger disk %s", got, want)
	}
}

// mountSmall gives a folder a file system of its own. It is false where the test may not mount.
func mountSmall(t *testing.T, dir string, mebibytes int) bool {
	t.Helper()
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	options := fmt.Sprintf("size=%dm,mode=%o", mebibytes, info.Mode().Perm())
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", options, "tmpfs", dir).CombinedOutput(); err != nil {
		t.Logf("no file system of its own, the lack of room is made up: %v: %s", err, out)
		return false
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return true
}

// fill writes until there is no room left in a folder's file system.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for size := 1 << 20; size > 0; { // smaller and smaller, down to the last byte
		if _, err = f.Write(bytes.Repeat([]byte("."), size)); err != nil {
			size /= 2
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("fill the disk: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// refuseForLackOfRoom has PostgreSQL refuse to store batches with the error of a full disk.
func (p *pipeline) refuseForLackOfRoom() (free func()) {
	p.t.Helper()
	run := func(sql string) {
		p.t.Helper()
		conn, err := pgx.Connect(p.t.Context(), p.databaseURL)
		if err != nil {
			p.t.Fatal(err)
		}
		defer conn.Close(p.t.Context()) //nolint:errcheck // what it did is known
		if _, err := conn.Exec(p.t.Context(), sql); err != nil {
			p.t.Fatal(err)
		}
	}
	run(`CREATE FUNCTION stoker.no_room() RETURNS trigger LANGUAGE plpgsql AS
			$$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
		CREATE TRIGGER no_room BEFORE INSERT ON fhir.patient EXECUTE FUNCTION stoker.no_room()`)
	return func() { run(`DROP TRIGGER no_room ON fhir.patient`) }
}

// withoutJetStream starts the NATS server again in the state in which a full disk leaves it.
func (p *pipeline) withoutJetStream(conf string) (free func()) {
	p.t.Helper()
	whole, err := os.ReadFile(conf)
	if err != nil {
		p.t.Fatal(err)
	}
	write := func(text []byte) {
		if err := os.WriteFile(conf, text, 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	listen, _, _ := bytes.Cut(whole, []byte("\n"))
	write(listen)
	p.restartNATS()
	return func() { write(whole) }
}
