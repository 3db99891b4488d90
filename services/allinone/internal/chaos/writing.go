package chaos

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"

	"github.com/stoker-fhir/stoker/services/allinone/internal/generate"
)

// Shares of what a delivery has, in percent of its resources, or in thousandths.
const (
	repeatedPercent   = 5 // lines that come again, exactly
	deletedPercent    = 15
	unnamedPermille   = 10 // entries whose id is made from their fullUrl
	brokenPermille    = 2
	unreadablePercent = 2 // entries of Bundles

	bundleEntries = 20      // at most
	largeBytes    = 3 << 20 // of a resource that does not fit into a message
	heldBack      = 50      // lines between a line and its repetition, about
)

// writing is a delivery being written.
type writing struct {
	recipe   recipe
	delivery *delivery
	random   *rand.Rand
	files    map[string]*output

	held    []heldLine // to be repeated
	entries [][]byte   // of the next Bundle
	size    int        // entries it is to have
}

type heldLine struct {
	name string
	line []byte
}

func newRandom(seed, purpose uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, purpose)) }

func (w *writing) percent(n int) bool  { return w.random.IntN(100) < n }
func (w *writing) permille(n int) bool { return w.random.IntN(1000) < n }

func (w *writing) write(ctx context.Context, seed uint64, patients int) error {
	for _, pass := range w.recipe.passes {
		opts := generate.Options{Patients: patients, Seed: seed, Revision: pass.revision}
		err := generate.Stream(ctx, opts, func(resourceType string, line []byte) error {
			switch {
			case w.percent(pass.percent):
				return w.resource(resourceType, line)
			case w.recipe.bundles && w.percent(deletedPercent):
				return w.deletion(resourceType, line)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if err := w.repeat(0); err != nil {
		return err
	}
	if err := w.flushBundle(); err != nil {
		return err
	}
	if !w.recipe.large {
		return nil
	}
	return w.line("Binary", w.large(), 1)
}

// resource writes a resource, now and then with a line besides that cannot be read.
func (w *writing) resource(resourceType string, line []byte) error {
	if w.recipe.bundles {
		return w.put(resourceType, line)
	}
	if w.permille(brokenPermille) {
		if err := w.line(resourceType, append(bytes.Clone(line[:len(line)/2]), '\n'), 0); err != nil {
			return err
		}
	}
	if w.percent(repeatedPercent) {
		w.held = append(w.held, heldLine{resourceType, bytes.Clone(line)})
	}
	if err := w.line(resourceType, line, 1); err != nil {
		return err
	}
	return w.repeat(heldBack * repeatedPercent / 100)
}

// repeat writes lines again until only so many are held back.
func (w *writing) repeat(left int) error {
	for len(w.held) > left {
		h := w.held[0]
		w.held = w.held[1:]
		if err := w.line(h.name, h.line, 1); err != nil {
			return err
		}
	}
	return nil
}

func (w *writing) line(name string, line []byte, resources int64) error {
	o, err := w.file(name)
	if err != nil {
		return err
	}
	w.delivery.lines++
	w.delivery.resources += resources
	_, err = o.Write(line)
	return err
}

func (w *writing) put(resourceType string, line []byte) error {
	if w.percent(unreadablePercent) {
		return w.entry(fmt.Appendf(nil, `{"request":{"method":"PATCH","url":"%s/%s"}}`, resourceType, idOf(line)), 0)
	}
	if w.permille(unnamedPermille) {
		id := fmt.Sprintf("urn:uuid:%08x-0000-4000-8000-%012x", w.random.Uint32(), w.random.Uint64()>>16)
		if err := w.entry(fmt.Appendf(nil, `{"fullUrl":"%s","resource":{"resourceType":"Basic","code":{"text":"%s"}},"request":{"method":"POST","url":"Basic"}}`,
			id, resourceType), 1); err != nil {
			return err
		}
	}
	return w.entry(fmt.Appendf(nil, `{"resource":%s,"request":{"method":"PUT","url":"%s/%s"}}`, bytes.TrimSpace(line), resourceType, idOf(line)), 1)
}

func (w *writing) deletion(resourceType string, line []byte) error {
	return w.entry(fmt.Appendf(nil, `{"request":{"method":"DELETE","url":"%s/%s"}}`, resourceType, idOf(line)), 1)
}

func (w *writing) entry(entry []byte, resources int64) error {
	if len(w.entries) == 0 {
		w.size = 1 + w.random.IntN(bundleEntries)
	}
	w.entries = append(w.entries, entry)
	w.delivery.resources += resources
	if len(w.entries) < w.size {
		return nil
	}
	return w.flushBundle()
}

func (w *writing) flushBundle() error {
	if len(w.entries) == 0 {
		return nil
	}
	line := append([]byte(`{"resourceType":"Bundle","type":"batch","entry":[`), bytes.Join(w.entries, []byte(","))...)
	w.entries = w.entries[:0]
	return w.line("bundles", append(line, "]}\n"...), 0)
}

// idOf is the id of a generated resource, which begins with its type and its id.
func idOf(line []byte) []byte {
	_, rest, _ := bytes.Cut(line, []byte(`"id":"`))
	id, _, _ := bytes.Cut(rest, []byte(`"`))
	return id
}

// large is a resource that S2 cannot make small either.
func (w *writing) large() []byte {
	raw := make([]byte, largeBytes/4*3)
	for i := range raw {
		raw[i] = byte(w.random.Uint32())
	}
	data := base64.StdEncoding.EncodeToString(raw)
	return fmt.Appendf(nil, `{"resourceType":"Binary","id":"large","contentType":"application/octet-stream","data":"%s"}`+"\n", data)
}
