package s3

import "encoding/xml"

// MaxError is how much of an answer is read for its error, in bytes.
const MaxError = 64 << 10

// hints say what errors mean and what to do. Codes that are not here are not shown: a server sent them.
var hints = map[string]string{
	"AccessDenied":                 "the key may not do that; it needs s3:GetObject for what lies under the prefix, and s3:ListBucket for the bucket",
	"AllAccessDisabled":            "the bucket is closed",
	"AuthorizationHeaderMalformed": "the request was signed for another region than the bucket's; set the region",
	"ExpiredToken":                 "the session token has expired; renew the key",
	"IllegalLocationConstraint":    "the bucket is in another region; set the region",
	"InvalidAccessKeyId":           "the store does not know the access key",
	"InvalidObjectState":           "the object is archived; restore it first",
	"InvalidToken":                 "the session token is not valid; renew the key",
	"NoSuchBucket":                 "there is no such bucket; is it another endpoint or region?",
	"NoSuchKey":                    "there is no such object, or no longer",
	"PermanentRedirect":            "the bucket is in another region, or at another endpoint; set them",
	"RequestTimeTooSkewed":         "the clock of this machine differs too much from the store's",
	"SignatureDoesNotMatch":        "the secret key is not that of the access key",
	"TemporaryRedirect":            "the bucket is in another region; set the region, or wait if it is new",
}

// transient are errors that may be gone when the same is asked again, whatever their status is.
var transient = map[string]bool{
	"InternalError": true, "RequestTimeout": true, "ServiceUnavailable": true, "SlowDown": true, "OperationAborted": true,
}

// ReadError reads the body of an answer that is an error: a hint at what to do, "" where there is none, and whether
// it may be gone soon.
func ReadError(body []byte) (hint string, mayPass bool) {
	var doc struct {
		XMLName xml.Name `xml:"Error"`
		Code    string   `xml:"Code"`
	}
	if xml.Unmarshal(body, &doc) != nil {
		return "", false
	}
	return hints[doc.Code], transient[doc.Code]
}
