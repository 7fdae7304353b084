package main

import (
	"context"
	"log/slog"

	"roundhouse/oauth"
	"roundhouse/task"
	"roundhouse/tools"
	"roundhouse/transport"
)

// openTasks keeps tasks in the store, sealed: they hold what tools answered.
func openTasks(ctx context.Context, store *oauth.SQLStore, keys *oauth.Keyring, logger *slog.Logger) (*task.Runner, error) {
	write, read, postgres := store.Databases()
	kept, err := task.OpenSQL(ctx, task.Database{Write: write, Read: read, Postgres: postgres, Migrate: store.Migrate}, keys)
	if err != nil {
		return nil, err
	}
	return task.NewRunner(task.Config{Store: kept, Logger: logger.With("part", "tasks")}), nil
}

// taskTool tells of which tools the calls become tasks.
func taskTool(catalog *tools.Catalog) func(context.Context, string) (transport.TaskTool, bool) {
	return func(ctx context.Context, name string) (transport.TaskTool, bool) {
		kind := catalog.TaskKind(ctx, name)
		return transport.TaskTool{Repeatable: kind == tools.TaskJoins}, kind != tools.TaskNever
	}
}
