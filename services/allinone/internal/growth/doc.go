// Package growth measures whether the pipeline keeps its pace while its tables grow. It
// imports step after step of generated resources, mixed types with random ids, into one dataset
// that is never emptied, and tells for each step how long it took and what it cost: a
// [Report]. From that follow a table, a plot, and what larger numbers need: [Report.Capacity].
//
// A step's data is generated before the step, which is not part of its time. What processes do
// between steps, such as autovacuum and checkpoints, counts in the costs of the step that follows;
// only the time is that of the import alone. Nothing is tidied up in between: what an import leaves
// to be done meets the next one.
//
// It does not measure what happens when a table's index no longer fits the machine's memory,
// unless the machine is small or the steps are many.
package growth
