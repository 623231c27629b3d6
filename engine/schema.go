package engine

import (
	"context"
	"strings"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/engine/syscat"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/sql/ast"
)

// schemaNamed returns the schema that a new relation is to be in, as it is
// written; "" is the public one.
func schemaNamed(c *catalog.Catalog, name string) (string, error) {
	switch {
	case name == "" || strings.EqualFold(name, catalog.PublicSchema):
		return catalog.PublicSchema, nil
	case syscat.IsSchema(strings.ToLower(name)):
		return "", pgerr.Newf("42501", "permission denied for schema %s", name)
	}
	if s, ok := c.SchemaByName(name); ok {
		return s.Name, nil
	}
	return "", pgerr.Newf("3F000", "schema %q does not exist", name)
}

func (s *session) createSchema(a *ast.CreateSchema) (*command, error) {
	return simple(func(ctx context.Context) (string, error) {
		name := a.Name.S
		_, err := s.n.change(ctx, func(c *catalog.Catalog, ch *catalog.Change) error {
			_, taken := c.SchemaByName(name)
			switch {
			case taken || syscat.IsSchema(name):
				if a.IfNotExists {
					s.client.Notice("NOTICE", pgerr.Newf("42P06", "schema %q already exists, skipping", name))
					return nil
				}
				return pgerr.Newf("42P06", "schema %q already exists", name).At(a.Pos())
			case strings.HasPrefix(name, "pg_"):
				return pgerr.Newf("42939", "unacceptable schema name %q", name).At(a.Pos()).Detailf("The prefix \"pg_\" is reserved for system schemas.")
			}
			ch.Schemas = append(ch.Schemas, &catalog.Schema{ID: ch.NewID(), Name: name})
			return nil
		})
		return "CREATE SCHEMA", err
	}), nil
}

// dropSchema drops schemas that are empty.
func (s *session) dropSchema(a *ast.Drop) (*command, error) {
	return simple(func(ctx context.Context) (string, error) {
		_, err := s.n.change(ctx, func(c *catalog.Catalog, ch *catalog.Change) error {
			for _, path := range a.Names {
				name := path[len(path)-1].S
				found, ok := c.SchemaByName(name)
				if !ok {
					if a.IfExists {
						s.client.Notice("NOTICE", pgerr.Newf("00000", "schema %q does not exist, skipping", name))
						continue
					}
					if syscat.IsSchema(name) {
						return pgerr.Newf(pgerr.DependentObjects, "cannot drop schema %s because it is required by the database system", name).At(a.Pos())
					}
					return pgerr.Newf("3F000", "schema %q does not exist", name).At(a.Pos())
				}
				for _, r := range c.Relations() {
					if r.Schema == found.Name {
						return pgerr.Newf(pgerr.DependentObjects, "cannot drop schema %s because other objects depend on it", name).At(a.Pos()).
							Detailf("%s %s.%s is in it.", strings.ToLower(r.Kind.String()), r.Schema, r.Name).Hintf("Drop them first.")
					}
				}
				ch.Drop = append(ch.Drop, found.ID)
			}
			return nil
		})
		return "DROP SCHEMA", err
	}), nil
}
