//go:build !linux

package pgd

import "syscall"

// dieWithParent does nothing where the system has no such signal.
func dieWithParent(*syscall.SysProcAttr, syscall.Signal) {}
