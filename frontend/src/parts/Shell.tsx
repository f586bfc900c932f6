/** What is around every page of a signed-in person: where to go, where one is, and whether it is real money. */
import { useMutation } from "@tanstack/react-query";
import { type ReactNode, Suspense, useState } from "react";
import { NavLink, Outlet, useLocation } from "react-router";
import { api, ask } from "@/api/client";
import { useLive } from "@/api/live";
import { forgetAll, useOrganization, usePerson } from "@/api/session";
import { Button } from "./Button";
import { Dialog } from "./Dialog";
import { Icon, type IconName } from "./icons";
import { Loading } from "./Loaded";
import parts from "./parts.module.css";
import { keep, usePreference } from "./preferences";
import { Says } from "./Says";
import { Keys, type Shown } from "./Shortcuts";
import styles from "./shell.module.css";
import { useClock, When } from "./When";

type Place = readonly [to: string, word: string, icon: IconName];
const GROUPS: readonly (readonly Place[])[] = [
  [
    ["/", "Overview", "overview"],
    ["/map", "Map", "map"],
    ["/accounts", "Accounts", "accounts"],
    ["/rules", "Rules", "rules"],
  ],
  [
    ["/runs", "Runs", "runs"],
    ["/transfers", "Transfers", "transfers"],
    ["/approvals", "Approvals", "approvals"],
  ],
  [
    ["/simulate", "Simulate", "simulate"],
    ["/recipes", "Recipes", "recipes"],
    ["/sandbox", "Sandbox", "sandbox"],
  ],
  [
    ["/developers", "Developers", "developers"],
    ["/settings", "Settings", "settings"],
  ],
];
export const PLACES = GROUPS.flat();
const MOST_USED = PLACES.slice(0, 5);

function Places({ places, onGo }: { places: readonly Place[]; onGo?: () => void }) {
  return (
    <ul className={styles.places}>
      {places.map(([to, word, icon]) => (
        <li key={to}>
          <NavLink to={to} end={to === "/"} {...(onGo ? { onClick: onGo } : {})}>
            <Icon name={icon} />
            {word}
          </NavLink>
        </li>
      ))}
    </ul>
  );
}

/** Everything that can be gone to, and what this browser shows; `onGo` closes the dialog it is in. */
function Everything({ onGo }: { onGo?: () => void }) {
  const { isSandbox } = useOrganization();
  return (
    <>
      <nav aria-label="Main" className={styles.nav}>
        {GROUPS.map((places) => (
          <Places
            key={places[0]?.[0]}
            places={places.filter(([to]) => isSandbox || to !== "/sandbox")}
            {...(onGo ? { onGo } : {})}
          />
        ))}
      </nav>
      <You />
    </>
  );
}

function You() {
  const person = usePerson();
  const isPrivate = usePreference("private") === "yes";
  const leave = useMutation({
    mutationFn: () => ask(api.POST("/app/sign-out")),
    onSuccess: forgetAll,
    networkMode: "always",
    // Without the server nobody can sign out, but nothing of theirs has to stay on the screen.
    onError: () => location.reload(),
  });
  return (
    <div className={styles.you}>
      <Button
        act={isPrivate ? "Show amounts" : "Hide amounts"}
        icon="eye"
        look="quiet"
        aria-pressed={isPrivate}
        onClick={() => keep("private", isPrivate ? "" : "yes")}
      />
      <div className="row spread">
        <span className="small">
          {person.email}
          <span className="soft"> · {person.role.toLowerCase()}</span>
        </span>
        <Button act="Sign out" look="quiet" disabled={leave.isPending} onClick={() => leave.mutate()} />
      </div>
    </div>
  );
}

function Banner({ title, icon = "warning", children }: { title: string; icon?: IconName; children: ReactNode }) {
  return (
    <p className={parts.notice}>
      <Icon name={icon} />
      <span>
        <strong>{title}</strong> {children}
      </span>
    </p>
  );
}

/** What must be known on every page: a restore, a stop, play money, a pause, a connection that is gone. */
function Banners({ isLive }: { isLive: boolean }) {
  const { isSandbox, pausedAt, heldSince, stoppedFor, now } = useOrganization();
  const { exactly } = useClock();
  return (
    <>
      {heldSince && (
        <Banner title="Restored from a backup, and held">
          since <When at={heldSince} />. Nothing moves until whoever runs this server has compared it with the bank:{" "}
          <code>sluiceway restore status</code>, then <code>sluiceway restore release</code>.
        </Banner>
      )}
      {stoppedFor && (
        <Banner title="No money moves: the audit has found something wrong">
          <When at={pausedAt} />. You can look at everything. Whoever runs this server has to see to it:{" "}
          <code>sluiceway audit</code>, then <code>sluiceway organizations release</code>.
        </Banner>
      )}
      {isSandbox && (
        <p className={styles.sandbox}>
          <strong>Sandbox</strong> Play money. Its clock says {exactly(now)}.
        </p>
      )}
      {pausedAt && !stoppedFor && (
        <Banner title="Everything is paused" icon="pause">
          since <When at={pausedAt} />. No rule moves money until it is resumed in the{" "}
          <NavLink to="/settings">settings</NavLink>.
        </Banner>
      )}
      {!isLive && (
        <Banner title="Not live.">The connection to the server is gone; what you see may be out of date.</Banner>
      )}
    </>
  );
}

export function Shell() {
  const { name, isSandbox } = useOrganization();
  const [isOpen, setOpen] = useState(false);
  const [shown, show] = useState<Shown>();
  const isLive = useLive();
  const { pathname } = useLocation();
  return (
    <div className={styles.shell} data-sandbox={isSandbox || undefined}>
      <a className={styles.skip} href="#content">
        Skip to content
      </a>
      <header className={styles.side}>
        <div className={styles.brand}>
          <strong>{name}</strong>
          <span className={isSandbox ? styles.play : "soft small"}>{isSandbox ? "Sandbox" : "Live"}</span>
        </div>
        <Button
          act={<span>Find</span>}
          icon="find"
          look="quiet"
          className={styles.find}
          aria-label="Find"
          aria-keyshortcuts="Control+K"
          onClick={() => show("find")}
        >
          <kbd>Ctrl K</kbd>
        </Button>
        <div className={styles.wide}>
          <Everything />
        </div>
        <Button act="Menu" icon="menu" look="quiet" className={styles.opener} onClick={() => setOpen(true)} />
      </header>
      <main id="content" className={styles.main} tabIndex={-1}>
        <Banners isLive={isLive} />
        <Suspense fallback={<Loading />} key={pathname.split("/")[1]}>
          <Outlet />
        </Suspense>
      </main>
      <nav className={styles.bottom} aria-label="Most used">
        <Places places={MOST_USED} />
      </nav>
      <Dialog title={name} isOpen={isOpen} onClose={() => setOpen(false)}>
        <Everything onGo={() => setOpen(false)} />
      </Dialog>
      <Keys shown={shown} show={show} />
      <Says />
    </div>
  );
}
