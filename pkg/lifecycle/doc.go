// Package lifecycle ties a process to its signals.
//
// [Main] runs a program until it returns or is told to stop. The first SIGINT or SIGTERM
// ends the context: the program stops taking work, finishes the unit in hand and
// returns. The second ends the process at once; that is safe at any moment, since what
// is not acknowledged is delivered again (invariants 1 and 2).
//
// [Unit] gives the unit in hand a context that outlives the first signal by a grace.
//
// [UseMemory] trades memory for the time of collecting it.
//
// [Retry] repeats what must succeed before a service can begin. [Rest] is the pause between looks at things.
//
// For goroutines that end together, use golang.org/x/sync/errgroup.
//
// The package does not guarantee that the program stops: one that ignores its context
// goes on until the second signal.
package lifecycle
