package ledger

import (
	"slices"

	"github.com/stoker-fhir/stoker/pkg/fhirmsg"
)

// Standing is what a writing transaction must know of its dataset and its imports. It is read
// under the dataset's lock, so a discard is either seen or begins after the commit (invariant 7).
type Standing struct {
	History bool // the dataset keeps every version

	cancelled map[fhirmsg.ImportID]bool    // or into a dataset of the same name that was dropped
	discarded map[fhirmsg.ImportID][]int32 // files, or AllFiles
	settled   map[fhirmsg.ImportID]bool    // of snapshots: nothing is to be known any more of what they have
}

// Mentions reports whether keys of an import's resources are to be kept, by [RecordMentioned], until it is decided
// what it lacks: those whose rows may be another import's although this one has them.
func (s Standing) Mentions(imp fhirmsg.Import) bool { return imp.Snapshot && !s.settled[imp.ID] }

// AllFiles, where a file of an import could be named, is all of them.
const AllFiles int32 = -1

// Fate is what becomes of a file's resources whatever they are: [Discarded], [Cancelled], or 0 for
// what is to be stored.
func (s Standing) Fate(id fhirmsg.ImportID, file int32) Outcome {
	switch files := s.discarded[id]; {
	case slices.Contains(files, AllFiles), slices.Contains(files, file):
		return Discarded
	case s.cancelled[id]:
		return Cancelled
	}
	return 0
}
