package pgd

import (
	"context"
	"maps"
	"os/exec"
	"slices"
)

// defaults are for bulk loading on a machine shared with everything else, without taking
// risks with the data. They are written out even where they equal PostgreSQL's own. free is what the
// disk has free, in bytes.
func defaults(free int64) map[string]string {
	return map[string]string{
		"cluster_name":    "stoker",
		"max_connections": "100",

		// Invariant 1: what is committed is on disk.
		"fsync":              "on",
		"full_page_writes":   "on",
		"synchronous_commit": "on",

		"shared_buffers":       "256MB",
		"effective_cache_size": "1GB",
		"work_mem":             "16MB",
		"maintenance_work_mem": "128MB",
		"wal_buffers":          "16MB",
		"random_page_cost":     "1.1",
		"jit":                  "off", // costs more than it saves on queries over jsonb

		// Checkpoints far apart, since each makes every page written after it go to the log whole.
		"max_wal_size":       maxWALSize(free),
		"min_wal_size":       "512MB",
		"checkpoint_timeout": "15min",

		// Invariant 8: no values in the log. Errors of statements quote values in their text, so
		// only messages about the server itself are kept: "log" and above, which leaves out "error".
		"log_destination":                   "stderr",
		"logging_collector":                 "off",
		"log_line_prefix":                   "%m [%p] %e ",
		"log_min_messages":                  "log",
		"log_min_error_statement":           "panic",
		"log_error_verbosity":               "terse",
		"log_parameter_max_length":          "0",
		"log_parameter_max_length_on_error": "0",
		"log_statement":                     "none",
		"log_min_duration_statement":        "-1",
		"log_checkpoints":                   "off",
	}
}

func merged(free int64, overrides map[string]string) map[string]string {
	settings := defaults(free)
	maps.Copy(settings, overrides)
	return settings
}

// addCompression sets the fastest kinds that the installed PostgreSQL was built with, unless
// they are set.
func addCompression(ctx context.Context, programs programs, place place, settings map[string]string) {
	for _, kinds := range []map[string]string{
		{"default_toast_compression": "lz4", "wal_compression": "lz4"},
		{"default_toast_compression": "lz4", "wal_compression": "on"}, // PostgreSQL 14
		{"wal_compression": "on"},
	} {
		maps.Copy(kinds, pick(settings, kinds))
		if accepts(ctx, programs, place, kinds) {
			maps.Copy(settings, kinds)
			return
		}
	}
}

// pick returns those of the settings that have a name in names.
func pick(settings, names map[string]string) map[string]string {
	picked := map[string]string{}
	for name := range names {
		if value, ok := settings[name]; ok {
			picked[name] = value
		}
	}
	return picked
}

// accepts asks postgres for the value of a setting, for which it reads all of them.
func accepts(ctx context.Context, programs programs, place place, settings map[string]string) bool {
	args := append([]string{"-D", place.data(), "-C", "cluster_name"}, flags(settings)...)
	cmd := exec.CommandContext(ctx, programs.postgres(), args...)
	prepare(cmd, place.owner)
	return cmd.Run() == nil
}

// arguments are the command line of the server.
func arguments(data, socket string, settings map[string]string) []string {
	args := append([]string{"-D", data}, flags(settings)...)
	return append(args, flags(map[string]string{
		"listen_addresses":        "",
		"unix_socket_directories": socket,
		"unix_socket_permissions": "0700",
		"port":                    port,
	})...)
}

func flags(settings map[string]string) []string {
	var args []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}
