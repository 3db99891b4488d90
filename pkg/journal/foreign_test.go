package journal

import (
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/stoker-fhir/stoker/pkg/bus"
	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
	"github.com/stoker-fhir/stoker/pkg/ledgertest"
	"github.com/stoker-fhir/stoker/pkg/natstest"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newLedger(t *testing.T) *ledger.Ledger {
	t.Helper()
	return ledger.New(ledgertest.New(t))
}

// TestForeignMessages: answers of JetStream that somebody had sent to the journal's subjects, and statements on subjects of
// others, keep nothing from being restored or accepted again.
func TestForeignMessages(t *testing.T) {
	t.Parallel()
	nc, err := natstest.New(t).Connect()
	check(t, err)
	t.Cleanup(nc.Close)
	b, err := bus.New(nc, zerolog.Nop())
	check(t, err)
	check(t, b.Apply(t.Context(), []string{"Patient"}, nil))
	js, err := jetstream.New(nc)
	check(t, err)

	before := Journal{Bus: b, Ledger: newLedger(t)}
	id, err := fhirmsg.NewImportID(time.Now(), rand.Reader)
	check(t, err)
	req := fhirmsg.ImportRequest{ID: id, Supplier: "b", Sources: []fhirmsg.Source{{URL: "https://b.example/x"}}}
	imp, _, err := before.Ledger.Accept(t.Context(), req, 1, "d")
	check(t, err)
	check(t, before.Imports(t.Context()))
	first, err := b.LastSequence(t.Context(), fhirmsg.StreamJournal)
	check(t, err)
	subjects := []string{
		fhirmsg.JournalSubject(fhirmsg.JournalWritten, "x"), fhirmsg.JournalSubject(fhirmsg.JournalFiles, "b"),
		fhirmsg.JournalSubject(fhirmsg.JournalFile, "b"), fhirmsg.JournalSubject(fhirmsg.JournalDataset, "x"),
		fhirmsg.JournalImportSubject("b", id), fhirmsg.JournalImportSubject("a", id), fhirmsg.SubjectJournal + ".x",
		fhirmsg.JournalSubject("import", "b"), fhirmsg.JournalSubject("other", "b"),
	}
	for _, subject := range subjects {
		check(t, nc.PublishRequest(fhirmsg.DeliverSubject("a"), subject, []byte("{}")))
		// An answer that is a refusal, too.
		check(t, nc.PublishMsg(&nats.Msg{Subject: fhirmsg.DeliverSubject("a"), Reply: subject, Header: nats.Header{jetstream.ExpectedStreamHeader: {"y"}}}))
	}
	check(t, nc.PublishRequest(fhirmsg.DeliverSubject("a"), fhirmsg.StatementSubject("b"), []byte("{}")))
	statement, ok, err := b.Last(t.Context(), fhirmsg.StreamJournal, fhirmsg.JournalImportSubject("b", id))
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	_, err = js.Publish(t.Context(), fhirmsg.JournalImportSubject("a", id), statement.Data)
	check(t, err)
	_, err = js.Publish(t.Context(), fhirmsg.JournalSubject(fhirmsg.JournalWritten, "x"), []byte("no envelope"))
	check(t, err)
	last := waitFor(t, b, first+uint64(2*len(subjects))+2)

	for name, restore := range map[string]func(j Journal) error{
		"restore": func(j Journal) error {
			c, err := j.Restore(t.Context(), time.Now().Add(-time.Hour), false)
			if want := int(last - first); err == nil && (c.Imports != 1 || c.Foreign != want || len(c.Datasets) != 0) {
				err = fmt.Errorf("%d imports, %d datasets, %d messages passed over, want %d", c.Imports, len(c.Datasets), c.Foreign, want)
			}
			return err
		},
		"accept": func(j Journal) error { return j.Accepted(t.Context(), id) },
	} {
		j := Journal{Bus: b, Ledger: newLedger(t)}
		if err := restore(j); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if s, err := j.Ledger.Status(t.Context(), id); err != nil || s.Supplier != imp.Supplier {
			t.Errorf("%s: import of supplier %q, %v", name, s.Supplier, err)
		}
	}
}

// waitFor waits until the journal has come to a sequence, and returns where it is.
func waitFor(t *testing.T, b *bus.Bus, sequence uint64) (last uint64) {
	t.Helper()
	end, ticker := time.After(10*time.Second), time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for last < sequence {
		select {
		case <-end:
			t.Fatalf("the journal is at %d, not at %d", last, sequence)
		case <-ticker.C:
		}
		var err error
		last, err = b.LastSequence(t.Context(), fhirmsg.StreamJournal)
		check(t, err)
	}
	return last
}
