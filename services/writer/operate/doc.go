// Package operate does what operators ask for beside imports: replays, and listing, swapping and
// dropping datasets. It only begins replays; the writers do the work, see
// [github.com/stoker-fhir/stoker/services/writer].
//
// A replay reads the stream of resources from one sequence to another, fixed when it begins,
// type by type. Before it is fixed, consumers hold what it is to read, so that trimming spares it;
// then it is looked for gaps. So a replay of half a stream is refused unless asked for, and one
// that loses messages all the same ends as failed, since it counts them (invariant 3).
//
// A replay into another dataset reads what the writers had acknowledged when it began, so that
// whatever it writes was committed in the dataset itself. A dataset that was built from the whole of
// another one is swapped in by [Operator.Swap]: smaller and smaller replays of what came since,
// and then one transaction with the locks of both datasets (invariant 7), in which the rest
// is written and both change names. What the writers have in hand meanwhile waits, and goes
// into the dataset that has the name then.
package operate
