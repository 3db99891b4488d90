// Package schedule tells when something that is done again and again is due next: by a cron expression, in a
// time zone.
//
// What it guarantees where clocks are changed, as for daylight saving:
//
//   - A time of day that there is twice, as a clock that is put back makes it, is due once: the first time.
//   - A time of day that there is not, as a clock that is put forward makes it, is due when the clock is
//     put forward.
//   - What is due in every hour is so by the time that passes, so also in the hour that comes twice, and it is not
//     due more often where an hour is left out.
//
// So what is due daily is due once for each day. The database of time zones is the system's, or what is built
// into the program.
package schedule
