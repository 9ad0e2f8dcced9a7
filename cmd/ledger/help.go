package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// helpWidth is the width of help in columns: that of the narrowest terminal that people use.
const helpWidth = 80

// Groups of commands, in the order of `ledger help`.
const (
	groupRun   = "run"
	groupOrder = "order"
	groupViews = "views"
	groupBooks = "books"
	groupLog   = "log"
	groupOther = "other"
)

// addGroup adds commands to root, in groups that tell what they are for.
func addGroup(root *cobra.Command, id, title string, commands ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: id, Title: title})
	for _, cmd := range commands {
		cmd.GroupID = id
		root.AddCommand(cmd)
	}
}

// help prints what a command does, how it is called, and its flags.
func help(cmd *cobra.Command, _ []string) {
	about := cmd.Long
	if about == "" {
		about = cmd.Short
	}
	out := cmd.OutOrStdout()
	_, _ = fmt.Fprintf(out, "%s\n\n", fill(about))
	writeUsage(out, cmd)
}

func writeUsage(out io.Writer, cmd *cobra.Command) {
	print := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format, args...) }
	print("Usage:\n  %s\n", lineOfUsage(cmd))
	if cmd.HasAvailableSubCommands() {
		writeCommands(out, cmd)
	}
	if cmd.HasExample() {
		print("\nExamples:\n%s\n", strings.TrimRight(cmd.Example, "\n"))
	}
	if cmd.HasAvailableLocalFlags() {
		print("\nFlags:\n%s\n", strings.TrimRight(cmd.LocalFlags().FlagUsagesWrapped(helpWidth), "\n"))
	}
	if cmd.HasAvailableInheritedFlags() {
		print("\nFlags of every command:\n%s\n", strings.TrimRight(cmd.InheritedFlags().FlagUsagesWrapped(helpWidth), "\n"))
	}
	if cmd.HasAvailableSubCommands() {
		print("\n`%s COMMAND --help` tells more about a command.\n", cmd.CommandPath())
	}
}

// lineOfUsage is the command line with what it takes.
func lineOfUsage(cmd *cobra.Command) string {
	line := cmd.CommandPath() + strings.TrimPrefix(cmd.Use, cmd.Name())
	if cmd.HasAvailableSubCommands() && !strings.Contains(cmd.Use, "COMMAND") {
		line += " COMMAND"
	}
	return line + " [flags]"
}

func writeCommands(out io.Writer, cmd *cobra.Command) {
	padding := 0
	for _, sub := range cmd.Commands() {
		padding = max(padding, len(sub.Name()))
	}
	list := func(title, group string) {
		_, _ = fmt.Fprintf(out, "\n%s:\n", title)
		for _, sub := range cmd.Commands() {
			if sub.GroupID == group && sub.IsAvailableCommand() {
				_, _ = fmt.Fprintln(out, hang("  "+sub.Name(), sub.Short, padding+4))
			}
		}
	}
	for _, group := range cmd.Groups() {
		list(group.Title, group.ID)
	}
	if len(cmd.Groups()) == 0 {
		list("Commands", "")
	}
}

// fill breaks the paragraphs of a text anew, to helpWidth. Lines that begin with a blank stay as they are.
func fill(text string) string {
	var lines []string
	for paragraph := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		last := len(lines) - 1
		if paragraph == "" || strings.HasPrefix(paragraph, " ") || last < 0 || lines[last] == "" || strings.HasPrefix(lines[last], " ") {
			lines = append(lines, paragraph)
			continue
		}
		lines[last] += " " + paragraph
	}
	for i, line := range lines {
		if !strings.HasPrefix(line, " ") {
			lines[i] = hang("", line, 0)
		}
	}
	return strings.Join(lines, "\n")
}

// hang puts a text beside a label, broken between words to helpWidth, with indent columns before each line.
func hang(label, text string, indent int) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%-*s", indent, label)
	column := indent
	for _, word := range strings.Fields(text) {
		size := len([]rune(word))
		switch {
		case column == indent:
		case column+1+size > helpWidth:
			fmt.Fprintf(&out, "\n%*s", indent, "")
			column = indent
		default:
			out.WriteByte(' ')
			column++
		}
		out.WriteString(word)
		column += size
	}
	return out.String()
}

// helpCommand is `ledger help`, which knows when there is no such command.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help COMMAND…", Short: "What a command does, and how", Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return seeHelp(cmd.Root(), errors.Join(err, unknownCommand(about, rest)))
			}
			return about.Help()
		},
	}
}
