package e2e_test

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/goccy/go-yaml"

	"github.com/order-ledger/order-ledger/test/harness"
)

// composeFile is what the test looks at in docs/deploy/compose.yaml.
type composeFile struct {
	Services map[string]struct {
		Environment map[string]string `yaml:"environment"`
		DependsOn   map[string]any    `yaml:"depends_on"`
		Volumes     []string          `yaml:"volumes"`
		Healthcheck struct {
			Test []string `yaml:"test"`
		} `yaml:"healthcheck"`
	} `yaml:"services"`
}

// TestCompose holds the described deployment to the program: its variables exist, its connection string
// names the cluster's members, whoever is waited for tells its health, and the configuration is read.
func TestCompose(t *testing.T) {
	t.Parallel()
	const dir = "../../docs/deploy"
	text, err := os.ReadFile(filepath.Join(dir, "compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var compose composeFile
	if err := yaml.Unmarshal(text, &compose); err != nil {
		t.Fatal(err)
	}
	ledger, ok := compose.Services["ledger"]
	if !ok || len(compose.Services) < 5 {
		t.Fatalf("services %v, want the ledger, a database and three event stores", compose.Services)
	}
	site := harness.NewSite(t, harness.Options{})
	help := site.RunOK(t, "serve", "--help").Stdout
	var secrets []string
	for name, value := range ledger.Environment {
		if !strings.HasPrefix(name, "LEDGER_") {
			secrets = append(secrets, name+"="+value)
		} else if !strings.Contains(help, "["+name+"]") {
			t.Errorf("%s is no variable of ledger serve", name)
		}
	}
	connection := ledger.Environment["LEDGER_EVENTSTORE"]
	if _, err := esdb.ParseConnectionString(connection); err != nil {
		t.Errorf("%s: %v", connection, err)
	}
	u, err := url.Parse(connection)
	if err != nil {
		t.Fatal(err)
	}
	for member := range strings.SplitSeq(u.Host, ",") {
		host, port, _ := strings.Cut(member, ":")
		service, ok := compose.Services[host]
		if !ok || port != service.Environment["KURRENTDB_NODE_PORT"] {
			t.Errorf("the ledger connects to %s, which no service is", member)
		}
		if seed := service.Environment["KURRENTDB_GOSSIP_SEED"]; strings.Contains(seed, host+":") || strings.Count(seed, ",") != 1 {
			t.Errorf("%s gossips with %s, want the two others", host, seed)
		}
	}
	for waited := range ledger.DependsOn {
		if len(compose.Services[waited].Healthcheck.Test) == 0 {
			t.Errorf("the ledger waits for the health of %s, which tells none", waited)
		}
	}
	config, err := os.ReadFile(filepath.Join(dir, "ledger.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	harness.Serve(t, harness.Options{Config: string(config), Env: secrets})
}
