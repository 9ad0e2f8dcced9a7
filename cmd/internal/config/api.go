package config

import (
	"fmt"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/connectpay"
	"github.com/order-ledger/order-ledger/commands/gateways/decta"
	"github.com/order-ledger/order-ledger/commands/gateways/everifin"
	"github.com/order-ledger/order-ledger/commands/gateways/httpcall"
	"github.com/order-ledger/order-ledger/commands/gateways/signature"
)

// api says how the ledger calls an account's gateway. Secrets are references ("env:NAME",
// "file:path").
type api struct {
	URL          string  `yaml:"url"`
	PerSecond    float64 `yaml:"per_second"`       // commands a second; 0 is httpcall.DefaultPerSecond
	Polls        float64 `yaml:"polls_per_second"` // beside them; 0 is per_second
	Key          string  `yaml:"key"`              // decta: secret key
	TokenURL     string  `yaml:"token_url"`        // everifin
	ClientID     string  `yaml:"client_id"`        // everifin
	ClientSecret string  `yaml:"client_secret"`    // everifin
	User         string  `yaml:"user"`             // connectpay
	Password     string  `yaml:"password"`         // connectpay
	BrandID      string  `yaml:"brand_id"`         // connectpay
	SigningKey   string  `yaml:"signing_key"`      // connectpay: RSA private key, PEM
	NotifyURL    string  `yaml:"notify_url"`       // connectpay: where its webhooks go
	CreditorIBAN string  `yaml:"creditor_iban"`    // everifin, connectpay: the merchant's account
	CreditorName string  `yaml:"creditor_name"`    // everifin, connectpay
}

func (a *api) client(gateway, account string) (commands.Gateway, error) {
	calls := httpcall.Options{PerSecond: a.PerSecond, PollsPerSecond: a.Polls}
	secret := func(name, reference string) (string, error) {
		value, err := signature.ResolveSecret(reference)
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		return string(value), nil
	}
	switch gateway {
	case "decta":
		key, err := secret("key", a.Key)
		if err != nil {
			return nil, err
		}
		return decta.NewClient(decta.ClientConfig{Account: account, BaseURL: a.URL, Key: key, HTTP: calls})
	case "everifin":
		password, err := secret("client_secret", a.ClientSecret)
		if err != nil {
			return nil, err
		}
		return everifin.NewClient(everifin.ClientConfig{
			Account: account, BaseURL: a.URL, TokenURL: a.TokenURL, ClientID: a.ClientID, ClientSecret: password,
			Creditor: commands.Creditor{IBAN: a.CreditorIBAN, Name: a.CreditorName}, HTTP: calls,
		})
	}
	password, err := secret("password", a.Password)
	if err != nil {
		return nil, err
	}
	text, err := secret("signing_key", a.SigningKey)
	if err != nil {
		return nil, err
	}
	key, err := connectpay.ParseKey([]byte(text))
	if err != nil {
		return nil, err
	}
	return connectpay.NewClient(connectpay.ClientConfig{
		Account: account, BaseURL: a.URL, User: a.User, Password: password, BrandID: a.BrandID, Key: key,
		NotifyURL: a.NotifyURL, Creditor: commands.Creditor{IBAN: a.CreditorIBAN, Name: a.CreditorName}, HTTP: calls,
	})
}
