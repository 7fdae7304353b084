package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"roundhouse/constraint"
	"roundhouse/sandbox"
	"roundhouse/tools"
)

func checkServe(c *config) error {
	if err := checkAddr("addr", c.Addr); err != nil {
		return err
	}
	if c.MetricsAddr != "" {
		if err := checkAddr("metrics-addr", c.MetricsAddr); err != nil {
			return err
		}
	}
	if c.SentryURL == "" && !loopbackAddr(c.Addr) {
		return fmt.Errorf("--addr %s is not on loopback: the sandbox lets anybody sign in as anybody; give --sentry-url, or listen on 127.0.0.1", c.Addr)
	}
	if err := c.checkPublicURL(); err != nil {
		return err
	}
	if err := checkOrigins(c.AllowedOrigins); err != nil {
		return err
	}
	if err := c.checkConfirm(); err != nil {
		return err
	}
	if !slices.Contains([]string{"", "on", "off"}, c.StepUp) {
		return fmt.Errorf("--step-up %q is neither on nor off", c.StepUp)
	}
	if !slices.Contains([]string{"", "on", "off"}, c.ClientDocuments) {
		return fmt.Errorf("--client-documents %q is neither on nor off", c.ClientDocuments)
	}
	if err := c.checkStore(); err != nil {
		return err
	}
	if _, err := c.proxies(); err != nil {
		return err
	}
	switch {
	case c.SentryURL != "" && (c.SentryClientID == "" || c.SentryClientSecret == ""):
		return errors.New("--sentry-url needs --sentry-client-id and --sentry-client-secret, of an OAuth application registered there")
	case c.SentryURL != "" && (c.Empty || c.Scale != ""):
		return errors.New("--empty and --scale are for the sandbox, not for --sentry-url")
	case c.SentryURL == "" && (c.SentryClientID != "" || c.SentryClientSecret != ""):
		return errors.New("--sentry-client-id and --sentry-client-secret need --sentry-url")
	case c.MaxContexts < 1:
		return fmt.Errorf("--max-contexts %d must be at least 1", c.MaxContexts)
	case c.Idle < time.Second:
		return fmt.Errorf("--idle %s must be at least 1s", c.Idle)
	case c.SessionIdle < time.Second:
		return fmt.Errorf("--session-idle %s must be at least 1s", c.SessionIdle)
	case c.Drain < 0:
		return fmt.Errorf("--drain %s must not be negative", c.Drain)
	}
	if _, err := c.administrators(); err != nil {
		return err
	}
	if _, err := skillsNamed("--sentry-bearer", strings.Join(c.sentryBearer(), ",")); err != nil {
		return err
	}
	if err := c.checkRevokeURL(); err != nil {
		return err
	}
	if err := c.checkScale(); err != nil {
		return err
	}
	return checkSentryURL(c.SentryURL)
}

// checkRevokeURL wants the URL to be encrypted, or on this machine: secrets
// travel there.
func (c *config) checkRevokeURL() error {
	if c.SentryRevokeURL == "" || c.SentryRevokeURL == "off" {
		return nil
	}
	u, err := url.Parse(c.SentryRevokeURL)
	if err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())) || u.User != nil || u.Fragment != "" {
		return errors.New("--sentry-revoke-url is neither an https URL nor off")
	}
	return nil
}

func (c *config) checkPublicURL() error {
	if c.PublicURL == "" {
		if !loopbackAddr(c.Addr) {
			return fmt.Errorf("--addr %s is not on loopback: give --public-url, the https URL at which clients reach it", c.Addr)
		}
		return nil
	}
	u, err := url.Parse(c.PublicURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return fmt.Errorf("--public-url %q is not of the form https://host or https://host:port", c.PublicURL)
	}
	if !isLoopback(u.Hostname()) {
		if u.Scheme == "http" {
			return fmt.Errorf("--public-url %q must be https: tokens travel on it", c.PublicURL)
		}
		if c.SentryURL == "" {
			return fmt.Errorf("--public-url %q is not on loopback: the sandbox lets anybody sign in as anybody; give --sentry-url", c.PublicURL)
		}
	}
	c.PublicURL = u.Scheme + "://" + strings.ToLower(u.Host)
	return nil
}

// checkOrigins accepts what a browser sends: scheme, host and perhaps a port.
func checkOrigins(list string) error {
	for _, origin := range splitList(list) {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme == "" || u.Host == "" || origin != u.Scheme+"://"+u.Host {
			return fmt.Errorf("--allowed-origins: %q is not of the form https://host or https://host:port", origin)
		}
	}
	return nil
}

// splitList splits at commas and leaves out what is empty.
func splitList(s string) []string {
	var items []string
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

func checkStdio(c *config) error {
	if err := c.checkConfirm(); err != nil {
		return err
	}
	if err := constraint.Check(c.Org, c.Project); err != nil {
		return fmt.Errorf("--org, --project: %w", err)
	}
	switch {
	case c.SentryURL != "" && c.SentryToken == "":
		return errors.New("--sentry-url needs --sentry-token (or ROUNDHOUSE_SENTRY_TOKEN), a user auth token of that Sentry")
	case c.SentryURL == "" && c.SentryToken != "":
		return errors.New("--sentry-token needs --sentry-url")
	}
	if _, err := c.skills(); err != nil {
		return err
	}
	if err := checkURL("sandbox-url", c.SandboxURL); err != nil {
		return err
	}
	return checkSentryURL(c.SentryURL)
}

func checkSandboxServe(c *config) error {
	if err := checkAddr("addr", c.Addr); err != nil {
		return err
	}
	if !loopbackAddr(c.Addr) {
		return fmt.Errorf("--addr %s is not on loopback: the sandbox lets anybody sign in as anybody", c.Addr)
	}
	if c.Age != "current" && c.Age != "old" {
		return fmt.Errorf("--age %q is neither current nor old", c.Age)
	}
	return c.checkScale()
}

func (c *config) checkScale() error {
	if c.Scale == "" {
		return nil
	}
	if _, err := sandbox.ParseScale(c.Scale); err != nil {
		return fmt.Errorf("--scale %s: %w", c.Scale, err)
	}
	return nil
}

func checkSandboxDSN(c *config) error {
	if c.SDK != "" && !slices.Contains(sandbox.SDKs, c.SDK) {
		return fmt.Errorf("--sdk %q is not one of %s", c.SDK, strings.Join(sandbox.SDKs, ", "))
	}
	if org, project, ok := strings.Cut(c.Operand, "/"); c.Operand != "" && (!ok || constraint.Check(org, project) != nil) {
		return fmt.Errorf("%q is not of the form organization/project", c.Operand)
	}
	return nil
}

func checkSandboxApp(c *config) error {
	if u, err := url.Parse(c.RedirectURI); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("--redirect-uri %q is not an http or https URL", c.RedirectURI)
	}
	return nil
}

func checkAddr(flag, addr string) error {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return fmt.Errorf("--%s %q is not of the form host:port", flag, addr)
	}
	return nil
}

func checkSentryURL(raw string) error {
	if raw == "" {
		return nil
	}
	return checkURL("sentry-url", raw)
}

func checkURL(flag, raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return fmt.Errorf("--%s %q is not an http or https URL without query", flag, raw)
	}
	return nil
}

func loopbackAddr(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && isLoopback(host)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// skills returns the chosen skills, sorted as tools.Skills are.
func (c *config) skills() ([]tools.Skill, error) { return skillsNamed("--skills", c.Skills) }

// sentryBearer returns the skills of Sentry's own tokens; nil: none are let in.
func (c *config) sentryBearer() []string {
	if c.SentryBearer == "off" {
		return nil
	}
	return splitList(c.SentryBearer)
}

func skillsNamed(flag, list string) ([]tools.Skill, error) {
	asked := map[string]bool{}
	for _, id := range splitList(list) {
		asked[id] = true
	}
	var chosen []tools.Skill
	for _, s := range tools.Skills {
		if asked[s.ID] {
			chosen = append(chosen, s)
			delete(asked, s.ID)
		}
	}
	for id := range asked {
		return nil, fmt.Errorf("%s: %q is none; there are %s", flag, id, strings.Join(skillIDs(), ", "))
	}
	return chosen, nil
}

func skillIDs() []string {
	var ids []string
	for _, s := range tools.Skills {
		ids = append(ids, s.ID)
	}
	return ids
}

// confirms are the values of --confirm; "" is the default's.
var confirms = map[string]tools.Confirm{
	"": tools.ConfirmAble, "able": tools.ConfirmAble, "always": tools.ConfirmAlways, "never": tools.ConfirmNever,
}

func (c *config) checkConfirm() error {
	if _, ok := confirms[c.Confirm]; !ok {
		return fmt.Errorf("--confirm %q is not able, always or never", c.Confirm)
	}
	return nil
}
