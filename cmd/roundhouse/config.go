package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

var errHelpShown = errors.New("help was shown")

// parse fills a config: the command line goes before the environment, that
// before the file, that before the defaults.
func parse(c *command, args []string, getenv func(string) string, stdout io.Writer) (*config, error) {
	cfg, fs := newFlags(c)
	for c.operand != "" && len(args) > 0 && !strings.HasPrefix(args[0], "-") && (c.several || cfg.Operands == nil) {
		cfg.Operands, args = append(cfg.Operands, args[0]), args[1:]
	}
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		if err := printHelp(stdout, c); err != nil {
			return nil, err
		}
		return nil, errHelpShown
	} else if err != nil {
		return nil, usageError{err}
	}
	if c.operand != "" && (c.several || cfg.Operands == nil && fs.NArg() == 1) {
		cfg.Operands = append(cfg.Operands, fs.Args()...)
	} else if fs.NArg() > 0 {
		return nil, usageError{fmt.Errorf("unexpected argument %q; roundhouse %s --help lists the flags", fs.Arg(0), c.name)}
	}
	if len(cfg.Operands) > 0 {
		cfg.Operand = cfg.Operands[0]
	}
	given := sources{}
	fs.Visit(func(f *flag.Flag) { given[f.Name] = "--" + f.Name })
	if err := fromEnvironment(fs, given, getenv); err != nil {
		return nil, err
	}
	if err := fromFile(fs, given, cfg.File); err != nil {
		return nil, err
	}
	if cfg.usualData = defaultData(getenv); cfg.Data == "" {
		cfg.Data = cfg.usualData
	}
	if c.check != nil {
		if err := c.check(cfg); err != nil {
			return nil, usageError{given.explain(err)}
		}
	}
	if _, err := cfg.level(); err != nil {
		return nil, usageError{given.explain(err)}
	}
	return cfg, nil
}

func newFlags(c *command) (*config, *flag.FlagSet) {
	cfg := &config{LogLevel: "info"}
	fs := flag.NewFlagSet(c.name, flag.ContinueOnError)
	fs.SetOutput(io.Discard) // the error says it all
	for _, name := range c.settings {
		settings[name](fs, cfg)
	}
	return cfg, fs
}

func envName(flagName string) string {
	return "ROUNDHOUSE_" + strings.ToUpper(strings.ReplaceAll(flagName, "-", "_"))
}

// sources tell, by the name of a setting, where its value was given.
type sources map[string]string

// explain adds where the values come from that an error names by their flags.
func (given sources) explain(err error) error {
	for name, source := range given {
		if strings.Contains(err.Error(), "--"+name+" ") && !strings.HasPrefix(source, "--") {
			err = fmt.Errorf("%w (--%s is given by %s)", err, name, source)
		}
	}
	return err
}

func fromEnvironment(fs *flag.FlagSet, given sources, getenv func(string) string) error {
	var first error
	fs.VisitAll(func(f *flag.Flag) {
		value := getenv(envName(f.Name))
		if given[f.Name] != "" || value == "" || first != nil {
			return
		}
		given[f.Name] = envName(f.Name)
		if fs.Set(f.Name, value) != nil {
			first = badValue(envName(f.Name), value, f)
		}
	})
	return first
}

// badValue is for values that are not of their setting's type, which secrets
// never are: any text is one.
func badValue(source, value string, f *flag.Flag) error {
	return usageError{fmt.Errorf("%s: %q cannot be read; a good value is %s", source, value, f.DefValue)}
}

// fromFile reads lines "name = value"; empty lines and those that begin with #
// are passed over.
func fromFile(fs *flag.FlagSet, given sources, path string) error {
	if path == "" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return usageError{fmt.Errorf("--config: %w", err)}
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		source := fmt.Sprintf("%s:%d", path, n)
		if _, known := settings[name]; !ok || !known {
			name, _, _ = strings.Cut(name, " ") // what follows may be a secret
			return usageError{fmt.Errorf("%s: want \"name = value\" with the name of a flag, not %q", source, name)}
		}
		setting := fs.Lookup(name)
		if given[name] != "" || setting == nil { // said already, or another command's
			continue
		}
		given[name] = source
		if fs.Set(name, value) != nil {
			return badValue(source, value, setting)
		}
	}
	return lines.Err()
}

func printHelp(w io.Writer, c *command) error {
	if _, err := fmt.Fprintf(w, "Usage: roundhouse %s [flags]\n\n%s\n", strings.TrimSpace(c.name+" "+c.operand), c.help); err != nil || len(c.settings) == 0 {
		return err
	}
	fmt.Fprint(w, "\nFlags, each also as environment variable ROUNDHOUSE_NAME and as a line of the file:\n")
	_, fs := newFlags(c)
	fs.SetOutput(w)
	fs.PrintDefaults()
	return nil
}

func (c *config) level() (slog.Level, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return 0, fmt.Errorf("--log-level %q is not debug, info, warn or error", c.LogLevel)
	}
	if c.LogFormat != "" && c.LogFormat != "text" && c.LogFormat != "json" {
		return 0, fmt.Errorf("--log-format %q is not text or json", c.LogFormat)
	}
	return level, nil
}

func (c *config) logger(w io.Writer) *slog.Logger {
	level, _ := c.level() // checked by parse
	options := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// defaultData is where the data goes when nobody says; "" when there is no home.
func defaultData(getenv func(string) string) string {
	switch {
	case getenv("XDG_DATA_HOME") != "":
		return filepath.Join(getenv("XDG_DATA_HOME"), "roundhouse")
	case getenv("HOME") != "":
		return filepath.Join(getenv("HOME"), ".local", "share", "roundhouse")
	}
	return ""
}

// dataDir returns the data directory, made if there is none, in which files can
// be written.
func (c *config) dataDir() (string, error) {
	if c.Data == "" {
		return "", errors.New("no home directory to keep the data in: give --data")
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return "", fmt.Errorf("data directory: %w; choose another with --data", err)
	}
	probe, err := os.CreateTemp(c.Data, ".writable-*")
	if err != nil {
		return "", fmt.Errorf("data directory: %w; choose another with --data", err)
	}
	probe.Close()
	return c.Data, os.Remove(probe.Name())
}
