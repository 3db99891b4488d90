// Package s3 is the protocol of Amazon S3, which MinIO, Ceph and others speak too, as far as it is needed
// to read buckets: what objects are called and where they are, signatures (AWS Signature Version 4, in headers),
// listings (ListObjectsV2), errors, and the events that stores send. It makes no requests.
//
// Settings and credentials are of operators: those of the environment, or of a file with a profile
// for each supplier ([Config.Account]). They are in no message and no error.
//
// What it does not know: the roles of AWS, by which machines have credentials without a key; and
// versions of objects other than the current one.
package s3
