package delivery

import (
	"fmt"
	"slices"
	"time"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
	"github.com/stoker-fhir/stoker/pkg/ledger"
)

// heap is the deliveries whose messages are still needed, in the order of their first ones. It is for one goroutine.
type heap struct {
	cfg    Config
	stream int64 // when it was made, in microseconds
	now    func() time.Time

	list   []*pile
	open   map[key]*pile
	purged map[string]uint64 // floor by subject, as it was purged last
}

type key struct{ supplier, name string }

// pile is one delivery.
type pile struct {
	ledger.Delivery
	began, moved time.Time // by this process
	asked        time.Time // for its import, by this process or an earlier one
	isChanged    bool
	isAccepted   bool // its import
}

func newHeap(cfg Config, stream time.Time, deliveries []ledger.Delivery, now func() time.Time) *heap {
	h := &heap{cfg: cfg, stream: stream.UnixMicro(), now: now, open: map[key]*pile{}, purged: map[string]uint64{}}
	for _, d := range deliveries {
		p := &pile{Delivery: d, began: now(), moved: now(), asked: now()}
		h.list = append(h.list, p)
		if d.IsOpen() {
			h.open[key{d.Supplier, d.Name}] = p
		}
	}
	return h
}

// put puts a message on the pile that it belongs to.
func (h *heap) put(supplier, name string, sequence uint64, bytes int64, end bool) {
	at := key{supplier, name}
	p := h.open[at]
	if p == nil {
		if bytes == 0 {
			return // an end of what has become an import already, or of nothing
		}
		h.makeRoom(supplier)
		p = &pile{Delivery: ledger.Delivery{Supplier: supplier, Name: name, First: sequence}, began: h.now()}
		h.list = append(h.list, p)
		h.open[at] = p
	}
	p.Last, p.moved, p.isChanged = sequence, h.now(), true
	p.Messages++
	p.Bytes += bytes
	if end || p.Bytes >= h.cfg.ImportBytes || p.Messages >= maxMessages {
		h.close(p)
	}
}

// makeRoom closes the oldest delivery of a supplier that has too many open.
func (h *heap) makeRoom(supplier string) {
	var oldest *pile
	n := 0
	for _, p := range h.open {
		if p.Supplier != supplier {
			continue
		}
		if n++; oldest == nil || p.moved.Before(oldest.moved) {
			oldest = p
		}
	}
	if n >= maxOpen {
		h.close(oldest)
	}
}

// closeOld closes what is not to wait for more any longer.
func (h *heap) closeOld() {
	for _, p := range h.open {
		if p.Name == "" && h.now().Sub(p.began) >= h.cfg.ImportTime || h.now().Sub(p.moved) >= h.cfg.Idle {
			h.close(p)
		}
	}
}

// close makes an import of a delivery. The import's id is of what it holds, so whoever asks for it asks for the
// same.
func (h *heap) close(p *pile) {
	p.Import = fhirmsg.ImportIDFromKey(p.Supplier, fmt.Sprintf("deliver\x00%d\x00%d\x00%d\x00%s", h.stream, p.First, p.Last, p.Name))
	p.isChanged = true
	delete(h.open, key{p.Supplier, p.Name})
}

// changed returns what changed since it was asked for last.
func (h *heap) changed() (list []ledger.Delivery) {
	for _, p := range h.list {
		if p.isChanged {
			p.isChanged = false
			list = append(list, p.Delivery)
		}
	}
	return list
}

// due returns the closed deliveries whose imports are to be asked for now: of each supplier the oldest, once the import
// before it was accepted. For imports are in the order in which they are accepted, and what comes later wins. One that was
// asked for and not accepted for long is due again: nothing else would ever bring a request back that was lost.
func (h *heap) due() (list []*pile) {
	asked, busy := map[string]int{}, map[string]bool{}
	for _, p := range h.list {
		if p.Requested {
			asked[p.Supplier]++
			busy[p.Supplier] = busy[p.Supplier] || !p.isAccepted
			if !p.isAccepted && h.now().Sub(p.asked) >= askAgain {
				list = append(list, p)
			}
		}
	}
	for _, p := range h.list {
		if !p.IsOpen() && !p.Requested && !busy[p.Supplier] && asked[p.Supplier] < maxRequested {
			busy[p.Supplier] = true
			list = append(list, p)
		}
	}
	return list
}

// unaccepted are the imports that were asked for and not seen to be accepted.
func (h *heap) unaccepted() (ids []fhirmsg.ImportID) {
	for _, p := range h.list {
		if p.Requested && !p.isAccepted {
			ids = append(ids, p.Import)
		}
	}
	return ids
}

// accept marks deliveries whose imports were accepted.
func (h *heap) accept(ids []fhirmsg.ImportID) {
	for _, p := range h.list {
		p.isAccepted = p.isAccepted || p.Requested && slices.Contains(ids, p.Import)
	}
}

// source is the file of a delivery's import.
func (h *heap) source(p *pile) *fhirmsg.Delivered {
	return &fhirmsg.Delivered{Supplier: p.Supplier, Name: p.Name, Stream: h.stream, First: p.First, Last: p.Last, Messages: p.Messages}
}

// forget drops deliveries by the sequences of their first messages.
func (h *heap) forget(first []uint64) {
	if len(first) == 0 {
		return
	}
	gone := map[uint64]bool{}
	for _, n := range first {
		gone[n] = true
	}
	h.list = slices.DeleteFunc(h.list, func(p *pile) bool { return gone[p.First] })
}

// floor is the first sequence of a supplier whose message is still needed.
func (h *heap) floor(supplier string, next uint64) uint64 {
	floor := next
	for _, p := range h.list {
		if p.Supplier == supplier {
			floor = min(floor, p.First)
		}
	}
	return floor
}
