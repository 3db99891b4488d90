//go:build !unix

package source

import "io/fs"

// inode is 0: there is none.
func inode(fs.FileInfo) uint64 { return 0 }
