package push

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// secretBytesMin is the least that Standard Webhooks asks of a secret.
const secretBytesMin = 24

// secretPrefix marks a secret that is written in base64.
const secretPrefix = "whsec_"

// ParseSecret reads a secret: base64 behind "whsec_", as Standard Webhooks writes it, or the bytes
// themselves.
func ParseSecret(text []byte) ([]byte, error) {
	encoded, ok := strings.CutPrefix(string(text), secretPrefix)
	if !ok {
		return text, nil
	}
	secret, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, fmt.Errorf("what follows %s is no base64", secretPrefix)
	}
	return secret, nil
}

// sign returns the webhook-signature of a message: one of version 1 for each secret, so that a
// receiver that knows either accepts it.
func sign(secrets [][]byte, id string, at time.Time, body []byte) string {
	var out strings.Builder
	for i, secret := range secrets {
		if i > 0 {
			out.WriteByte(' ')
		}
		mac := hmac.New(sha256.New, secret)
		_, _ = mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + ".")) // never fails
		_, _ = mac.Write(body)
		out.WriteString("v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return out.String()
}
