package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/order-ledger/order-ledger/cmd/internal/config"
)

// placeFile is where a ledger whose event store is elsewhere says where it serves, for commands with its data directory; one
// that holds the embedded log says so in the lock file of that. The text is only meaningful while the file is locked, which
// ends with the process, however that ends.
func placeFile(s config.Settings) string { return filepath.Join(s.DataDir, "ledger.lock") }

// placeBytesMost bounds the text of a place file.
const placeBytesMost = 1 << 10

// publishPlace says where this process serves until leave is called. Another ledger with the same data directory that said so
// before stays the one that is found. A ledger that cannot say so serves all the same.
func publishPlace(s config.Settings, url string, logger *slog.Logger) (leave func()) {
	file, err := os.OpenFile(placeFile(s), os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		if err = sayPlace(file, url); err == nil {
			return func() { _ = file.Close() }
		}
		_ = file.Close()
	}
	logger.Warn("commands do not find this ledger by its data directory", slog.Any("error", err))
	return func() {}
}

func sayPlace(file *os.File, url string) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil
	}
	if err == nil {
		err = file.Truncate(0)
	}
	if err == nil {
		_, err = fmt.Fprintf(file, "%d %s\n", os.Getpid(), url)
	}
	return err
}

// place finds the ledger of the data directory whose event store is elsewhere; ok is false when none serves.
func (c *cli) place() (h holder, ok bool) {
	file, err := os.Open(placeFile(c.settings))
	if err != nil {
		return h, false
	}
	defer func() { _ = file.Close() }()
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
		return h, false
	}
	text, err := io.ReadAll(io.LimitReader(file, placeBytesMost))
	if err != nil {
		return h, false
	}
	pid, url, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	h.ledger = url
	h.pid, err = strconv.Atoi(pid)
	return h, err == nil
}

// httpURL is how this machine reaches a ledger that serves at --http.
func (c *cli) httpURL() string {
	address := c.settings.HTTP
	if host, port, err := net.SplitHostPort(address); err == nil {
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			address = net.JoinHostPort("127.0.0.1", port)
		}
	}
	if c.env("LEDGER_HTTP_TLS_CERT") != "" {
		return "https://" + address
	}
	return "http://" + address
}
