// Package config reads a service's settings from environment variables into a struct.
//
// A struct says everything about its settings in tags, so that the documentation can be
// generated from it ([Markdown]):
//
//	type Config struct {
//		NATS    config.Secret `env:"STOKER_NATS_URL,required" envAlias:"NATS_URL" doc:"URL of the NATS server."`
//		Workers int           `env:"STOKER_PARSE_WORKERS" envDefault:"2" doc:"Chunks in hand at once."`
//		Log     LogConfig     `envPrefix:"STOKER_LOG_"`
//	}
//
// The tags env, envDefault, envPrefix and envSeparator are those of
// github.com/caarlos0/env. Added here:
//
//   - doc: a sentence for people.
//   - envAlias: a variable that is taken where the field's own is not set.
//   - A field of type [Secret] can be given in a file, whose name is in the variable
//     with _FILE at its end.
//
// A struct, or a struct within it, that has a method Validate() error is asked once
// everything was read, before anything is connected to.
//
// [Load] reports all problems in one error, by the names of the variables.
// [CheckUnknown] refuses variables that no struct knows, because a misspelt setting that
// is ignored is found too late. The environment is a parameter; nothing here reads the
// process's own.
//
// What is not supported: pointers to structs, and lists of structs.
package config
