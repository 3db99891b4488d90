package schedule

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// DefaultZone is the time zone where none is named.
const DefaultZone = "UTC"

// maxExpression is the greatest length of an expression in bytes.
const maxExpression = 200

// allHours are the bits of an hour field that leaves none out.
const allHours = 1<<24 - 1

// Schedule is when something is due. It is made by [Parse].
type Schedule struct {
	spec   *cron.SpecSchedule // of times of day without a zone, as if in UTC
	zone   *time.Location
	hourly bool // due in every hour
}

// fields are the five of cron(5), and its names such as @daily.
const fields = cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor

// Parse reads a cron expression of five fields (minute, hour, day of the month, month, day of the week), or
// @hourly, @daily, @weekly, @monthly, @yearly, and the name of a time zone such as Europe/Berlin; "" is
// [DefaultZone].
func Parse(expression, zone string) (Schedule, error) {
	if zone == "" {
		zone = DefaultZone
	}
	loc, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		return Schedule{}, fmt.Errorf("zone %q: must be the name of a time zone, such as Europe/Berlin or UTC", zone)
	}
	const want = `must be a cron expression, such as "0 2 * * *" for every night at two, or @hourly, @daily, @weekly, @monthly`
	if expression == "" || len(expression) > maxExpression || strings.Contains(expression, "TZ=") {
		return Schedule{}, errors.New(want)
	}
	parsed, err := cron.NewParser(fields).Parse(expression)
	if err != nil {
		return Schedule{}, fmt.Errorf("%s: %w", want, err)
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return Schedule{}, fmt.Errorf(`%s; what is due in steps from when it was begun, as @every has it, is not: write "*/15 * * * *"`, want)
	}
	spec.Location = time.UTC
	s := Schedule{spec: spec, zone: loc, hourly: spec.Hour&allHours == allHours}
	if s.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return Schedule{}, errors.New("is never due: there is no such day")
	}
	return s, nil
}

// longest is more than any clock was ever put forward or back.
const longest = 25 * time.Hour

// Next is the first time after t that is due, in the zone of the schedule; zero where there is none within
// five years.
func (s Schedule) Next(t time.Time) time.Time {
	// Times of day in order, beginning before what the clock shows at t: after it was put back, an earlier
	// time of day may be later.
	var first time.Time
	day := clock(t.In(s.zone)).Add(-longest)
	for range maxSteps {
		day = s.spec.Next(day)
		if day.IsZero() {
			break
		}
		for _, due := range s.instants(day) {
			if due.After(t) && (first.IsZero() || due.Before(first)) {
				first = due
			}
		}
		// A later time of day may be an earlier time only where clocks are changed between them.
		if !first.IsZero() && day.After(clock(first).Add(longest)) {
			break
		}
	}
	return first
}

// maxSteps is more times of day than the loop above can pass, one a minute: it spans a bit more than three times
// the longest change.
const maxSteps = 4 * int(longest/time.Minute)

// clock is the time of day that is shown at t, as if in UTC.
func clock(t time.Time) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// instants are when a time of day is due, in order.
func (s Schedule) instants(day time.Time) []time.Time {
	y, m, d := day.Date()
	t := time.Date(y, m, d, day.Hour(), day.Minute(), 0, 0, s.zone)
	begin, end := t.ZoneBounds()
	if !clock(t).Equal(day) { // it was left out
		if s.hourly {
			return nil
		}
		// t is before or after the change by as much as was left out.
		if !end.IsZero() && clock(t).Before(day) {
			return []time.Time{end.In(s.zone)}
		}
		return []time.Time{begin.In(s.zone)}
	}
	first, second := t, t
	for _, at := range []time.Time{begin.Add(-time.Nanosecond), end} {
		if other, ok := sameClock(t, at); ok && other.Before(t) {
			first = other
		} else if ok {
			second = other
		}
	}
	if s.hourly && second.After(first) {
		return []time.Time{first, second}
	}
	return []time.Time{first}
}

// sameClock is when the clock shows the same as at t with the offset that holds at another time; ok is whether it does.
func sameClock(t, at time.Time) (other time.Time, ok bool) {
	_, offset := t.Zone()
	_, there := at.In(t.Location()).Zone()
	other = t.Add(time.Duration(offset-there) * time.Second)
	return other, offset != there && clock(other).Equal(clock(t))
}
