package planner

import (
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/sql/ast"
)

// This file goes when the streaming half lands: it only lets engine build.

var errLater = pgerr.Newf(pgerr.FeatureNotSupported, "continuous queries are not supported yet")

func Define(env *Env, st ast.Stmt) (*Definition, error)         { return nil, errLater }
func PlanContinuous(env *Env, st ast.Stmt) (*Continuous, error) { return nil, errLater }
func PlanPush(env *Env, q ast.Query) (plan.Node, error)         { return nil, errLater }
func TypeOf(env *Env, st *ast.CreateType) (vec.Type, error)     { return vec.Type{}, errLater }
func (e *Env) Type(t ast.Type) (vec.Type, error)                { return vec.Type{}, errLater }
