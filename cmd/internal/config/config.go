// Package config reads what an operator sets: flags and their environment
// twins, and the YAML file of gateway accounts.
package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/order-ledger/order-ledger/cmd/internal/advice"
	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/signature"
	"github.com/order-ledger/order-ledger/commands/privacy"
	"github.com/order-ledger/order-ledger/commands/reconcile"
)

// Settings are the flags, each with its environment twin.
type Settings struct {
	DataDir          string // LEDGER_DATA_DIR
	EventStore       string // LEDGER_EVENTSTORE: embedded, or a connection string
	EventStoreListen string // LEDGER_EVENTSTORE_LISTEN: address, or off
	// EventStoreAdvertise (LEDGER_EVENTSTORE_ADVERTISE) is the host and port that clients which discover
	// the embedded node are told; empty is what the file says, else the address listened on.
	EventStoreAdvertise string
	NodeAdmin           string // LEDGER_NODE_ADMIN: loopback address of a node that runs alone, or off
	DatabaseURL         string // LEDGER_DATABASE_URL: empty runs a private PostgreSQL
	HTTP                string // LEDGER_HTTP
	File                string // LEDGER_CONFIG
	MasterKey           string // LEDGER_MASTER_KEY: reference to the master key of personal data
	// Keys (LEDGER_KEYS) is where keys of personal data are made: folder or streams; see KeyPlace.
	Keys string
	// BehindProxy (LEDGER_HTTP_BEHIND_PROXY) says that a proxy before HTTP speaks TLS to the world.
	BehindProxy bool
	// TLSCert and TLSKey (LEDGER_HTTP_TLS_CERT, LEDGER_HTTP_TLS_KEY) are PEM files; HTTP speaks TLS with them.
	TLSCert, TLSKey string

	// CanaryInterval, AuditInterval and StaleAfter are of ledgers that serve. Zero means the defaults of
	// the packages freshness and audit; a negative interval switches the work off.
	CanaryInterval, AuditInterval, StaleAfter time.Duration
	// ScavengeInterval is the time between two scavenges of the embedded node; zero means the default, a negative one none.
	ScavengeInterval time.Duration
	// AuditOrders is how many orders a round of the standing auditor takes in turn; 0 is the default.
	AuditOrders int
	// RebuildIfNeeded has a ledger that serves rebuild views that another version of the program made.
	RebuildIfNeeded bool

	// Offline is set by commands that listen to nobody: HTTP does not matter
	// then.
	Offline bool
	// Unattended is set by commands that run where nobody watches: what may
	// pass is tried again instead of ending them.
	Unattended bool
}

// Embedded is the engine that needs nothing installed.
const Embedded = "embedded"

// EventsDir and PostgresDir are where the embedded node and the private
// PostgreSQL live.
func (s Settings) EventsDir() string   { return filepath.Join(s.DataDir, "events") }
func (s Settings) PostgresDir() string { return filepath.Join(s.DataDir, "postgres") }

// KeysDir holds the keys that sign and, where they are kept in a folder, the wrapped keys of personal data.
func (s Settings) KeysDir() string { return filepath.Join(s.DataDir, "keys") }

// KeyPlace is where keys of personal data are made. Without a setting those of a ledger with an event store elsewhere, which
// others may share, are in streams of it, and those of one with a log of its own in the folder beside it.
func (s Settings) KeyPlace() (privacy.Place, error) {
	switch place := privacy.Place(s.Keys); {
	case place == privacy.InFolder || place == privacy.InStreams:
		return place, nil
	case s.Keys != "":
		return "", fmt.Errorf("--keys (LEDGER_KEYS) is %s or %s, not %q", privacy.InFolder, privacy.InStreams, s.Keys)
	case s.EventStore == Embedded || s.EventStore == "":
		return privacy.InFolder, nil
	}
	return privacy.InStreams, nil
}

// TokensDir holds the digests of API tokens.
func (s Settings) TokensDir() string { return filepath.Join(s.DataDir, "tokens") }

// TokenFile holds the token of the bulk endpoint of a running ledger.
func (s Settings) TokenFile() string { return filepath.Join(s.DataDir, "ingest.token") }

// NodeTokenFile holds the token of the administration of a node that runs alone.
func (s Settings) NodeTokenFile() string { return filepath.Join(s.DataDir, "node.token") }

// Gateways are the gateways that the ledger speaks to.
func Gateways() []string { return []string{"decta", "everifin", "connectpay"} }

// Account is one account of a gateway and how its webhooks are verified.
type Account struct {
	Gateway  string
	Name     string
	Verifier signature.Verifier
	// Client calls the gateway's API; nil when none is configured.
	Client commands.Gateway
	// Clocks are how long may pass before alarms are raised; zero is the default of each.
	Clocks reconcile.Clocks
	// Advice is what its merchant decided about payments that nobody knows the end of.
	Advice advice.Choices
	// Confirm: the account's webhooks are hints that a GET confirms. It needs a Client.
	Confirm bool
}

// DefaultAccount is the account of webhooks that name none.
const DefaultAccount = "default"

// Accounts are all accounts, by gateway and name.
type Accounts map[string]map[string]Account

// Find returns an account.
func (a Accounts) Find(gateway, name string) (Account, bool) {
	account, ok := a[gateway][name]
	return account, ok
}

// Unsigned lists the accounts that accept anybody's webhooks.
func (a Accounts) Unsigned() []string {
	var names []string
	for gateway, accounts := range a {
		for name, account := range accounts {
			if account.Verifier.Strategy() == signature.StrategyNone {
				names = append(names, gateway+"/"+name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// Watched are all accounts as the reconciler takes them, in a fixed order.
func (a Accounts) Watched() []reconcile.Account {
	var watched []reconcile.Account
	for _, gateway := range Gateways() {
		for _, name := range slices.Sorted(maps.Keys(a[gateway])) {
			account := a[gateway][name]
			watched = append(watched, reconcile.Account{Gateway: gateway, Name: name, Client: account.Client, Clocks: account.Clocks})
		}
	}
	return watched
}

// EventStoreServer says how the embedded node is shown to other machines.
type EventStoreServer struct {
	// Advertise is the host and port that discovering clients are told; empty is the address listened on.
	Advertise string
	// Certificate switches TLS on; nil serves plain text, on loopback only.
	Certificate *tls.Certificate
	// Users maps names to passwords; Readers are those that may only read.
	Users, Readers map[string]string
	// ReadOnly lets nobody write through the protocol, users neither.
	ReadOnly bool
}

// LoadEventStoreServer reads the part of the file about the embedded node's
// protocol.
func LoadEventStoreServer(s Settings) (EventStoreServer, error) {
	out := EventStoreServer{Advertise: s.EventStoreAdvertise}
	if s.File == "" {
		return out, nil
	}
	f, err := readFile(s.File)
	if err != nil {
		return out, err
	}
	e := f.EventStore
	if out.Advertise == "" {
		out.Advertise = e.Advertise
	}
	if (e.Certificate == "") != (e.Key == "") {
		return out, fmt.Errorf("configuration %s: eventstore: certificate and key go together", s.File)
	}
	if e.Certificate != "" {
		certificate, err := tls.LoadX509KeyPair(e.Certificate, e.Key)
		if err != nil {
			return out, fmt.Errorf("configuration %s: eventstore: %w", s.File, err)
		}
		out.Certificate = &certificate
	}
	if out.Users, err = passwords(e.Users); err == nil {
		out.Readers, err = passwords(e.Readers)
	}
	if err != nil {
		return out, fmt.Errorf("configuration %s: eventstore: %w", s.File, err)
	}
	out.ReadOnly = e.ReadOnly
	return out, nil
}

// passwords resolves the references of users; it is nil without any.
func passwords(references map[string]string) (map[string]string, error) {
	var out map[string]string
	for name, reference := range references {
		password, err := signature.ResolveSecret(reference)
		if err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		if out == nil {
			out = map[string]string{}
		}
		out[name] = string(password)
	}
	return out, nil
}

// file is the YAML file.
type file struct {
	// EventStore configures the embedded node's protocol. Users and Readers map names to
	// references of passwords ("env:NAME", "file:path").
	EventStore struct {
		Advertise   string            `yaml:"advertise"`
		Certificate string            `yaml:"certificate"`
		Key         string            `yaml:"key"`
		Users       map[string]string `yaml:"users"`
		Readers     map[string]string `yaml:"readers"`
		ReadOnly    bool              `yaml:"read_only"`
	} `yaml:"eventstore"`
	// Backups is the folder that operators may have backups made in.
	Backups    string    `yaml:"backups"`
	Accounting *books    `yaml:"accounting"`
	Webhooks   []webhook `yaml:"webhooks"`
	Access     access    `yaml:"access"`
	Gateways   []struct {
		Gateway string           `yaml:"gateway"`
		Account string           `yaml:"account"`
		Verify  signature.Config `yaml:"verify"`
		Advice  advice.Choices   `yaml:"advice"`
		// Confirm: what a webhook says about money counts when a GET confirms it.
		Confirm bool `yaml:"confirm"`
		API     *api `yaml:"api"`
		// Clocks are durations such as 672h and 35m.
		Clocks reconcile.Clocks `yaml:"clocks"`
	} `yaml:"gateways"`
}

// LoadBackups reads the folder that operators may have backups made in: an absolute path, empty when only the
// owner of the data directory may make them.
func LoadBackups(s Settings) (string, error) {
	if s.File == "" {
		return "", nil
	}
	f, err := readFile(s.File)
	if err == nil && f.Backups != "" && !filepath.IsAbs(f.Backups) {
		err = fmt.Errorf("configuration %s: backups: %s is not an absolute path", s.File, f.Backups)
	}
	return f.Backups, err
}

// accountName keeps account names fit for stream names and URLs.
var accountName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// LoadAccounts reads the accounts. Without a file, account "default" of each
// gateway accepts unsigned webhooks, which only a loopback address may.
func LoadAccounts(s Settings) (Accounts, error) {
	accounts := Accounts{}
	for _, gateway := range Gateways() {
		accounts[gateway] = map[string]Account{}
	}
	if s.File != "" {
		if err := accounts.read(s.File); err != nil {
			return nil, err
		}
	}
	loopback := s.Offline
	if !s.Offline {
		var err error
		if loopback, err = IsLoopback(s.HTTP); err != nil {
			return nil, err
		}
	}
	for _, gateway := range Gateways() {
		if _, ok := accounts[gateway][DefaultAccount]; !ok && loopback {
			accounts[gateway][DefaultAccount] = Account{Gateway: gateway, Name: DefaultAccount, Verifier: signature.None()}
		}
	}
	if !loopback && accounts.empty() {
		return nil, fmt.Errorf("address %s is open to the network, and no account verifies webhooks: "+
			"name accounts and their verifiers in a configuration file (--config), or listen on 127.0.0.1", s.HTTP)
	}
	if unsigned := accounts.Unsigned(); !loopback && len(unsigned) > 0 {
		return nil, fmt.Errorf("address %s is open to the network, and these accounts verify no webhooks: %s; "+
			"give each a verifier in the configuration file, or listen on 127.0.0.1", s.HTTP, strings.Join(unsigned, ", "))
	}
	return accounts, nil
}

func (a Accounts) empty() bool {
	for _, accounts := range a {
		if len(accounts) > 0 {
			return false
		}
	}
	return true
}

func readFile(path string) (file, error) {
	var f file
	text, err := os.ReadFile(path)
	if err != nil {
		return f, fmt.Errorf("read configuration: %w", err)
	}
	if err := yaml.UnmarshalWithOptions(text, &f, yaml.Strict()); err != nil {
		return f, fmt.Errorf("configuration %s:\n%s", path, yaml.FormatError(err, false, true))
	}
	return f, nil
}

func (a Accounts) read(path string) error {
	f, err := readFile(path)
	if err != nil {
		return err
	}
	for i, g := range f.Gateways {
		name := g.Account
		if name == "" {
			name = DefaultAccount
		}
		where := fmt.Sprintf("configuration %s: gateways[%d] (%s/%s)", path, i, g.Gateway, name)
		switch _, taken := a[g.Gateway][name]; {
		case !slices.Contains(Gateways(), g.Gateway):
			return fmt.Errorf("%s: gateway is not one of %s", where, strings.Join(Gateways(), ", "))
		case !accountName.MatchString(name):
			return fmt.Errorf("%s: an account is named with a-z, 0-9, '.', '_' and '-'", where)
		case taken:
			return fmt.Errorf("%s: the account is configured twice", where)
		}
		verifier, err := signature.New(g.Verify, g.Gateway, signature.ResolveSecret)
		if err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		account := Account{Gateway: g.Gateway, Name: name, Verifier: verifier, Confirm: g.Confirm, Clocks: g.Clocks, Advice: g.Advice}
		if err := g.Clocks.Check(); err != nil {
			return fmt.Errorf("%s: clocks: %w", where, err)
		}
		if err := g.Advice.Check(); err != nil {
			return fmt.Errorf("%s: advice: %w", where, err)
		}
		if g.API != nil {
			if account.Client, err = g.API.client(g.Gateway, name); err != nil {
				return fmt.Errorf("%s: api: %w", where, err)
			}
		}
		if g.Confirm && g.API == nil {
			return fmt.Errorf("%s: confirm needs an api to ask", where)
		}
		a[g.Gateway][name] = account
	}
	return nil
}

// IsLoopback tells whether an address can be reached from this machine only.
func IsLoopback(address string) (bool, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false, errors.New("listen address " + address + " is not HOST:PORT")
	}
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback()), nil
}
