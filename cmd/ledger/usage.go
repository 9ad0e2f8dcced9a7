package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// explainUsage makes wrong arguments and unknown commands errors of usage, with a way on.
func explainUsage(cmd *cobra.Command) {
	check := cmd.Args
	if cmd.HasSubCommands() {
		check = unknownCommand
		if cmd.RunE == nil {
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if err := emptyText(cmd, args); err != nil {
			return seeHelp(cmd, err)
		}
		if check == nil {
			return nil
		}
		err := check(cmd, args)
		if err != nil && !cmd.HasSubCommands() {
			err = wrongArguments(cmd, args)
		}
		return seeHelp(cmd, err)
	}
	for _, sub := range cmd.Commands() {
		explainUsage(sub)
	}
}

// emptyText refuses arguments and values of flags that are empty: a variable of a script was not set, and the command would
// do something else than was meant. Flags that all commands share mean their default by it, and others say what they mean.
func emptyText(cmd *cobra.Command, args []string) (err error) {
	if slices.Contains(args, "") {
		return errors.New("an argument is empty")
	}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		shared := cmd.InheritedFlags().Lookup(f.Name) != nil
		if f.Value.Type() == "string" && f.Value.String() == "" && !shared && !strings.Contains(f.Usage, "empty") {
			err = cmp.Or(err, fmt.Errorf("--%s lacks its value: it is empty", f.Name))
		}
	})
	return err
}

// seeHelp makes an error one of usage that says where to read on; nil stays nil.
func seeHelp(cmd *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code: exitUsage, err: fmt.Errorf("%w; see `%s --help`", err, cmd.CommandPath())}
}

func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	names := []string{}
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return fmt.Errorf("there is no command %q%s", cmd.CommandPath()+" "+args[0], didYouMean(args[0], names))
}

// wrongArguments says what a command takes, by the words in capitals of its line of usage.
func wrongArguments(cmd *cobra.Command, args []string) error {
	words := strings.Fields(cmd.Use)
	wanted := []string{}
	for i, word := range words[1:] {
		first, _ := utf8.DecodeRuneInString(strings.TrimPrefix(word, "["))
		if unicode.IsUpper(first) && !strings.HasPrefix(strings.TrimPrefix(words[i], "["), "--") {
			wanted = append(wanted, word)
		}
	}
	switch {
	case len(wanted) == 0:
		return fmt.Errorf("`%s` takes no argument, and %q is one", cmd.CommandPath(), args[0])
	case len(args) < len(wanted):
		return fmt.Errorf("`%s` lacks the argument %s", cmd.CommandPath(), strings.Trim(wanted[len(args)], "[]"))
	}
	return fmt.Errorf("`%s` takes %s alone: %q is an argument too many", cmd.CommandPath(), strings.Trim(wanted[len(wanted)-1], "[]"), args[len(wanted)])
}

// wrongFlag says in the user's words what is wrong with a flag.
func wrongFlag(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var invalid *pflag.InvalidValueError
	var lacks *pflag.ValueRequiredError
	switch {
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "":
		err = fmt.Errorf("there is no flag -%s; long flags begin with two dashes", unknown.GetSpecifiedShortnames())
	case errors.As(err, &unknown):
		names := []string{}
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
		err = fmt.Errorf("there is no flag --%s%s", unknown.GetSpecifiedName(), didYouMean("--"+unknown.GetSpecifiedName(), names))
	case errors.As(err, &invalid):
		err = fmt.Errorf("--%s takes %s, not %q", invalid.GetFlag().Name, kindOf(invalid.GetFlag().Value), invalid.GetValue())
	case errors.As(err, &lacks):
		err = fmt.Errorf("--%s lacks its value", lacks.GetSpecifiedName())
	}
	return seeHelp(cmd, err)
}

// kindOf names what a flag takes.
func kindOf(v pflag.Value) string {
	switch v.Type() {
	case "int", "int64":
		return "a whole number"
	case "uint", "uint64":
		return "a whole number from 0"
	case "duration":
		return "a duration like 30s or 5m, 0 or more"
	case "bool":
		return "true or false"
	}
	return "a " + v.Type()
}

// didYouMean proposes names that are spelled nearly like the one that does not exist.
func didYouMean(name string, names []string) string {
	guesses := &cobra.Command{SuggestionsMinimumDistance: 2}
	for _, n := range names {
		guesses.AddCommand(&cobra.Command{Use: n, Run: func(*cobra.Command, []string) {}})
	}
	near := guesses.SuggestionsFor(name)
	if len(near) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(near, " or ") + "?"
}
