package e2e_test

import (
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/goccy/go-yaml"

	"github.com/order-ledger/order-ledger/test/harness"
)

// composeService is what the test looks at in a service of docs/deploy/compose.yaml.
type composeService struct {
	Image       string            `yaml:"image"`
	Command     any               `yaml:"command"`
	Entrypoint  any               `yaml:"entrypoint"`
	Environment map[string]string `yaml:"environment"`
	DependsOn   map[string]struct {
		Condition string `yaml:"condition"`
	} `yaml:"depends_on"`
	Volumes     []string `yaml:"volumes"`
	Ports       []string `yaml:"ports"`
	Healthcheck struct {
		Test []string `yaml:"test"`
	} `yaml:"healthcheck"`
	Build struct {
		Context    string `yaml:"context"`
		Dockerfile string `yaml:"dockerfile"`
	} `yaml:"build"`
}

type composeFile struct {
	Services map[string]composeService `yaml:"services"`
	Volumes  map[string]any            `yaml:"volumes"`
}

const deployDir = "../../docs/deploy"

func readDeploy(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(deployDir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func readCompose(t *testing.T) composeFile {
	t.Helper()
	var compose composeFile
	if err := yaml.Unmarshal([]byte(readDeploy(t, "compose.yaml")), &compose); err != nil {
		t.Fatal(err)
	}
	if len(compose.Services) < 5 {
		t.Fatalf("services %v, want the ledger, a database and three event stores", compose.Services)
	}
	return compose
}

// dockerfile returns the words behind an instruction, one line each.
func dockerfile(text, instruction string) (lines []string) {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, instruction+" "); ok {
			lines = append(lines, strings.TrimSpace(rest))
		}
	}
	return lines
}

// kurrentOptions are the server's options that the file may use, from its documentation of clusters and networking.
var kurrentOptions = []string{
	"KURRENTDB_ADVERTISE_HOST_TO_CLIENT_AS", "KURRENTDB_ADVERTISE_NODE_PORT_TO_CLIENT_AS", "KURRENTDB_CERTIFICATE_FILE",
	"KURRENTDB_CERTIFICATE_PRIVATE_KEY_FILE", "KURRENTDB_CLUSTER_DNS", "KURRENTDB_CLUSTER_GOSSIP_PORT", "KURRENTDB_CLUSTER_SIZE",
	"KURRENTDB_DISCOVER_VIA_DNS", "KURRENTDB_GOSSIP_SEED", "KURRENTDB_INSECURE", "KURRENTDB_NODE_HOST_ADVERTISE_AS", "KURRENTDB_NODE_IP",
	"KURRENTDB_NODE_PORT", "KURRENTDB_REPLICATION_HOST_ADVERTISE_AS", "KURRENTDB_REPLICATION_IP", "KURRENTDB_REPLICATION_PORT",
	"KURRENTDB_TRUSTED_ROOT_CERTIFICATES_PATH",
}

// TestCompose holds the described deployment to the program: with the variables of the file the command of
// the image starts, reads the configuration and answers where its health is asked.
func TestCompose(t *testing.T) {
	t.Parallel()
	compose := readCompose(t)
	ledger, image := compose.Services["ledger"], readDeploy(t, "Dockerfile")
	if got := path.Join("docs/deploy", ledger.Build.Context, ledger.Build.Dockerfile); got != "docs/deploy/Dockerfile" {
		t.Errorf("the ledger is built by %s", got)
	}
	if entry, command := dockerfile(image, "ENTRYPOINT"), dockerfile(image, "CMD"); ledger.Command != nil || ledger.Entrypoint != nil ||
		!slices.Equal(entry, []string{`["ledger"]`}) || !slices.Equal(command, []string{`["serve"]`}) {
		t.Fatalf("the image runs %s %s and the service %v %v, want ledger serve", entry, command, ledger.Entrypoint, ledger.Command)
	}
	environment := maps.Clone(ledger.Environment)
	for _, variable := range dockerfile(image, "ENV") {
		name, value, _ := strings.Cut(variable, "=")
		environment[name] = value
	}
	site := harness.NewSite(t, harness.Options{})
	help := site.RunOK(t, "serve", "--help").Stdout
	// Places of the containers are not here: the harness has others.
	elsewhere := map[string]bool{"LEDGER_DATA_DIR": true, "LEDGER_DATABASE_URL": true, "LEDGER_CONFIG": true, "LEDGER_EVENTSTORE": true}
	var env []string
	for name, value := range environment {
		if strings.HasPrefix(name, "LEDGER_") && !strings.Contains(help, "["+name+"]") {
			t.Errorf("%s is no variable of ledger serve", name)
		}
		if name == "LEDGER_HTTP" {
			host, port, err := net.SplitHostPort(value)
			if err != nil || !slices.ContainsFunc(ledger.Ports, func(p string) bool { return strings.HasSuffix(p, ":"+port) }) {
				t.Errorf("the ledger listens on %s and publishes %s, %v", value, ledger.Ports, err)
			}
			value = net.JoinHostPort(host, "0")
		}
		if !elsewhere[name] {
			env = append(env, name+"="+value)
		}
	}
	mounted := map[string]string{}
	for _, volume := range ledger.Volumes {
		parts := strings.Split(volume, ":")
		mounted[parts[1]] = parts[0]
	}
	if mounted[environment["LEDGER_DATA_DIR"]] == "" || mounted[environment["LEDGER_CONFIG"]] != "./ledger.yaml" {
		t.Errorf("of %v the ledger uses %s and %s", mounted, environment["LEDGER_DATA_DIR"], environment["LEDGER_CONFIG"])
	}
	l := harness.Serve(t, harness.Options{Config: readDeploy(t, "ledger.yaml"), Env: env})
	check := healthURL(t, ledger)
	if _, port, _ := net.SplitHostPort(environment["LEDGER_HTTP"]); check.Port() != port {
		t.Errorf("the ledger's health is asked at %s, and it listens on %s", check, environment["LEDGER_HTTP"])
	}
	if answer := l.Get(t, check.Path); answer.Status != http.StatusOK {
		t.Errorf("%s answers %d", check.Path, answer.Status)
	}
}

// healthURL is what a service's health check asks with curl.
func healthURL(t *testing.T, s composeService) *url.URL {
	t.Helper()
	test := s.Healthcheck.Test
	if len(test) < 3 || test[0] != "CMD" || test[1] != "curl" {
		t.Fatalf("health check %v, want one with curl", test)
	}
	u, err := url.Parse(test[len(test)-1])
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestCompose_Services holds the services to each other: images are pinned, the cluster's members name each
// other, the ledger reaches what it names, whoever is waited for tells its health, and volumes exist.
func TestCompose_Services(t *testing.T) {
	t.Parallel()
	compose := readCompose(t)
	pinned := regexp.MustCompile(`^[a-z0-9./-]+:\d+\.\d+(\.\d+)*(-[a-z0-9.-]+)?$`)
	owners := map[string]string{}
	for name, service := range compose.Services {
		if name != "ledger" && !pinned.MatchString(service.Image) {
			t.Errorf("the image of %s is %q, want one of a version", name, service.Image)
		}
		for waited, how := range service.DependsOn {
			if how.Condition != "service_healthy" || len(compose.Services[waited].Healthcheck.Test) == 0 {
				t.Errorf("%s waits for %s to be %s, which tells no health", name, waited, how.Condition)
			}
		}
		for _, volume := range service.Volumes {
			source, _, _ := strings.Cut(volume, ":")
			if strings.HasPrefix(source, ".") {
				readDeploy(t, source)
				continue
			}
			if _, ok := compose.Volumes[source]; !ok || owners[source] != "" {
				t.Errorf("volume %s of %s is not defined, or also that of %q", source, name, owners[source])
			}
			owners[source] = name
		}
		for variable := range service.Environment {
			if strings.HasPrefix(variable, "KURRENTDB_") && !slices.Contains(kurrentOptions, variable) {
				t.Errorf("%s is no documented option of the event store of %s", variable, name)
			}
			if strings.HasPrefix(variable, "EVENTSTORE_") {
				t.Errorf("%s of %s is of an older event store", variable, name)
			}
		}
	}
	for volume := range compose.Volumes {
		if owners[volume] == "" {
			t.Errorf("volume %s is used by nobody", volume)
		}
	}
	environment := compose.Services["ledger"].Environment
	connection := environment["LEDGER_EVENTSTORE"]
	if _, err := esdb.ParseConnectionString(connection); err != nil {
		t.Errorf("%s: %v", connection, err)
	}
	composeCluster(t, compose, connection)
	at, err := url.Parse(environment["LEDGER_DATABASE_URL"])
	if err != nil {
		t.Fatal(err)
	}
	database := compose.Services[at.Hostname()].Environment
	if password, _ := at.User.Password(); database["POSTGRES_USER"] != at.User.Username() || database["POSTGRES_PASSWORD"] != password ||
		database["POSTGRES_DB"] != strings.TrimPrefix(at.Path, "/") || at.Port() != "5432" {
		t.Errorf("the ledger connects to %s, and the database is %v", at.Redacted(), database)
	}
}

func composeCluster(t *testing.T, compose composeFile, connection string) {
	t.Helper()
	u, err := url.Parse(connection)
	if err != nil {
		t.Fatal(err)
	}
	members := strings.Split(u.Host, ",")
	if len(members) != 3 {
		t.Errorf("the ledger connects to %s, want the three members", u.Host)
	}
	for _, member := range members {
		host, port, _ := strings.Cut(member, ":")
		service, ok := compose.Services[host]
		if !ok || port != service.Environment["KURRENTDB_NODE_PORT"] || service.Environment["KURRENTDB_CLUSTER_SIZE"] != "3" {
			t.Errorf("the ledger connects to %s, and the services are %v", member, service)
			continue
		}
		seeds := strings.Split(service.Environment["KURRENTDB_GOSSIP_SEED"], ",")
		others := slices.DeleteFunc(slices.Clone(members), func(m string) bool { return m == member })
		if slices.Sort(seeds); !slices.Equal(seeds, others) {
			t.Errorf("%s gossips with %s, want %s", host, seeds, others)
		}
		if as := service.Environment["KURRENTDB_ADVERTISE_HOST_TO_CLIENT_AS"]; as != host {
			t.Errorf("%s tells clients that it is %q", host, as)
		}
		if check := healthURL(t, service); check.Port() != port || check.Path != "/health/live" || (check.Scheme == "http") != (service.Environment["KURRENTDB_INSECURE"] == "true") {
			t.Errorf("the health of %s is asked at %s", host, check)
		}
	}
}

// TestDockerfile: the image is built from named versions, with the Go that the module needs, and has what the
// health check runs.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	text := readDeploy(t, "Dockerfile")
	module, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	needed := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(module)
	bases := dockerfile(text, "FROM")
	if len(bases) != 2 || needed == nil || bases[0] != "golang:"+string(needed[1])+" AS build" || bases[1] != "debian:bookworm-slim" {
		t.Errorf("the image is built from %v; the module needs Go %s", bases, needed)
	}
	if !strings.Contains(text, "curl") {
		t.Error("the image lacks curl, which its health check runs")
	}
}
