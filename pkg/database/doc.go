// Package database opens connections to PostgreSQL with what every service needs of them.
package database
