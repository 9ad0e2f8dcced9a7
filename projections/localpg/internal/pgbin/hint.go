package pgbin

import (
	"fmt"
	"strings"
)

// Hint says how a person installs the PostgreSQL server on this system, as the end of a sentence.
// major is the version that is needed; 0 = any.
func Hint(m Machine, major int) string {
	command := installCommand(m, major)
	if command == "" {
		return fmt.Sprintf("install the PostgreSQL server%s", suffix(major, " %d"))
	}
	return fmt.Sprintf("install it with `%s`", command)
}

func installCommand(m Machine, major int) string {
	switch m.GOOS {
	case "darwin":
		return "brew install postgresql" + suffix(orDefault(major, 17), "@%d")
	case "linux":
	default:
		return ""
	}
	for _, id := range distribution(m.OSRelease) {
		switch id {
		case "debian", "ubuntu":
			return "apt-get install postgresql" + suffix(major, "-%d")
		case "fedora", "rhel", "centos", "rocky", "almalinux", "amzn":
			return "dnf install postgresql-server"
		case "alpine":
			return "apk add postgresql" + suffix(major, "%d")
		case "arch":
			return "pacman -S postgresql"
		case "suse", "opensuse", "opensuse-leap", "opensuse-tumbleweed", "sles":
			return "zypper install postgresql" + suffix(major, "%d") + "-server"
		}
	}
	return ""
}

// distribution returns ID and then the words of ID_LIKE of an os-release file.
func distribution(release string) []string {
	var id, like string
	for line := range strings.Lines(release) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok {
			continue
		}
		switch value = strings.Trim(value, `"'`); key {
		case "ID":
			id = value
		case "ID_LIKE":
			like = value
		}
	}
	return append([]string{id}, strings.Fields(like)...)
}

func suffix(major int, format string) string {
	if major == 0 {
		return ""
	}
	return fmt.Sprintf(format, major)
}

func orDefault(major, other int) int {
	if major == 0 {
		return other
	}
	return major
}
