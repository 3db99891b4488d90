package lifecycle

import "time"

// Rest is how long to rest before a look at things is repeated that took so long: ten times as long, so that looking takes no more than a
// tenth of what there is to do it with, but least at least and most at most. What took long may have been an outage, not the work:
// without a most, what waits for the look would wait ten times as long as that.
func Rest(took, least, most time.Duration) time.Duration {
	return min(max(least, 10*took), most)
}
