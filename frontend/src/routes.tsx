/** Which page is where. Each group of screens is loaded when it is first gone to. */
import { type ComponentType, lazy, Suspense } from "react";
import { createBrowserRouter, Navigate, Outlet, type RouteObject, useLocation } from "react-router";
import { BASE } from "@/api/client";
import { useSession } from "@/api/session";
import { Failed, Loaded, Loading } from "@/parts/Loaded";
import { Reauthenticate } from "@/parts/Reauthenticate";
import { Shell } from "@/parts/Shell";

const NotFound = lazy(() => import("@/screens/NotFound"));
const SignIn = lazy(() => import("@/screens/session/SignIn"));
const Setup = lazy(() => import("@/screens/session/Setup"));
const Invitation = lazy(() => import("@/screens/people/Invitation"));

/** The screens of signed-in people: each is the default export of its file, and is loaded when it is first gone to. */
const SCREENS: RouteObject[] = [
  // Seeing: overview, map, accounts.
  screen("/", () => import("@/screens/overview/Overview")),
  screen("/map", () => import("@/screens/map/MapScreen")),
  screen("/accounts", () => import("@/screens/accounts/Accounts")),
  screen("/accounts/:id", () => import("@/screens/accounts/AccountScreen")),
  // Ruling: rules, editor, review, recipes.
  screen("/rules", () => import("@/screens/rules/RuleList")),
  screen("/rules/new", () => import("@/screens/rules/editor/RuleEditor")),
  screen("/rules/:id", () => import("@/screens/rules/RuleDetail")),
  screen("/rules/:id/edit", () => import("@/screens/rules/editor/RuleEditor")),
  screen("/rules/:id/tests", () => import("@/screens/rules/RuleTests")),
  screen("/rules/:id/review", () => import("@/screens/rules/RuleReview")),
  screen("/rules/:id/history", () => import("@/screens/rules/RuleHistory")),
  screen("/recipes", () => import("@/screens/rules/Recipes")),
  screen("/map/rules/:id", () => import("@/screens/rules/MapRule")),
  // Moving: runs, transfers, approvals, simulate.
  screen("/runs", () => import("@/screens/runs/Runs")),
  screen("/runs/file", () => import("@/screens/runs/RunFile")),
  screen("/runs/:id", () => import("@/screens/runs/Run")),
  screen("/transfers", () => import("@/screens/transfers/Transfers")),
  screen("/transfers/:id", () => import("@/screens/transfers/Transfer")),
  screen("/approvals", () => import("@/screens/approvals/Approvals")),
  screen("/simulate", () => import("@/screens/simulate/Simulate")),
  screen("/simulate/backtest", () => import("@/screens/simulate/Backtest")),
  screen("/simulate/forecast", () => import("@/screens/simulate/Forecast")),
  // Running: developers, sandbox, settings.
  screen("/developers", () => import("@/screens/developers/Keys")),
  screen("/developers/webhooks", () => import("@/screens/developers/Webhooks")),
  screen("/developers/webhooks/deliveries", () => import("@/screens/developers/Deliveries")),
  screen("/developers/requests", () => import("@/screens/developers/Requests")),
  screen("/developers/audit-log", () => import("@/screens/developers/AuditLog")),
  screen("/sandbox", () => import("@/screens/sandbox/Sandbox")),
  screen("/settings", () => import("@/screens/settings/Organization")),
  screen("/settings/people", () => import("@/screens/people/People")),
  screen("/settings/security", () => import("@/screens/people/Security")),
];

function screen(path: string, load: () => Promise<{ default: ComponentType }>): RouteObject {
  return { path, lazy: async () => ({ Component: (await load()).default }) };
}

const BROKEN = new Error(
  "This page cannot be shown, perhaps because the server has a newer one. What was done stays done; load it again.",
);

/** Instead of a page that broke, or whose file went when the server was renewed. */
function Broken() {
  return <Failed error={BROKEN} onRetry={() => location.reload()} />;
}

/** Let through who is signed in, and everybody else to the door; back to where they wanted to go. */
function SignedIn() {
  const { pathname, search } = useLocation();
  const next = pathname + search;
  return (
    <Loaded query={useSession()}>
      {({ state }) =>
        state === "signed_in" ? (
          <>
            <Shell />
            <Reauthenticate />
          </>
        ) : (
          <Navigate to={state === "setup_required" ? "/setup" : "/sign-in"} replace state={{ next }} />
        )
      }
    </Loaded>
  );
}

export const router = createBrowserRouter(
  [
    {
      HydrateFallback: Loading,
      ErrorBoundary: Broken,
      element: (
        <Suspense fallback={<Loading />}>
          <Outlet />
        </Suspense>
      ),
      children: [
        { path: "/sign-in", element: <SignIn /> },
        { path: "/setup", element: <Setup /> },
        { path: "/invitation", element: <Invitation /> },
        { element: <SignedIn />, children: [...SCREENS, { path: "*", element: <NotFound /> }] },
      ],
    },
  ],
  { basename: BASE || "/" },
);
