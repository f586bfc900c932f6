/** Where the server asks everybody for a second factor: what Settings has of it, for who has none yet, and then the app. */
import { useQuery } from "@tanstack/react-query";
import { Loaded, Page } from "@/parts";
import { Reauthenticate } from "@/parts/Reauthenticate";
import { Codes } from "../people/Codes";
import { KEY, Passkeys, readSecurity } from "../people/Security";
import { TurnBack } from "./Door";
import styles from "./door.module.css";

export default function SetUpFactor({ hold }: { hold: (isHeld: boolean) => void }) {
  const query = useQuery({ queryKey: KEY, queryFn: readSecurity });
  return (
    <main className={styles.door}>
      <p className={styles.brand}>Sluiceway</p>
      <Page title="One more step" intro="This server asks everybody for a second factor. Set one up to go on.">
        <Loaded query={query}>
          {(security) => (
            <>
              <Passkeys security={{ ...security, passkeys: [] }} />
              <Codes security={security} hold={hold} />
            </>
          )}
        </Loaded>
        <TurnBack />
      </Page>
      <Reauthenticate />
    </main>
  );
}
