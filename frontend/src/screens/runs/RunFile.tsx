/** A run that was downloaded, here or elsewhere, drawn as it was; marked as what it is, a file. */
import { useMutation } from "@tanstack/react-query";
import type { components } from "@/api/app";
import { api, ask, type Refused } from "@/api/client";
import { Card, ErrorSummary, Field, Icon, Page, State } from "@/parts";
import { FromFile } from "@/parts/TraceView";
import { RunParts, Simulated } from "./Run";
import styles from "./runs.module.css";

const NO_RUN = "This file holds no run: open one that “JSON” at a run has downloaded.";

type TraceFile = components["schemas"]["TraceFile"];

export default function RunFile() {
  const open = useMutation<{ name: string; run: TraceFile["run"] }, Error, File>({
    mutationFn: async (file) => {
      // Whether it is a run's file, the server says; here it has to be JSON.
      const body = await new Response(file).json().catch(() => ({}));
      const read = await ask(api.POST("/app/run-files/read", { body })).catch((refused: Refused) => {
        throw refused.code === "INVALID_PARAMETERS" ? new Error(NO_RUN) : refused;
      });
      return { name: file.name, run: read.data };
    },
  });
  return (
    <Page
      title="A run from a file"
      intro="Open what “JSON” at a run has downloaded, from this server or another one. Nothing is kept."
    >
      <Card>
        <div className="stack">
          <Field label="File of a run">
            {(wired) => (
              <input
                {...wired}
                type="file"
                accept=".json,application/json"
                onChange={(event) => {
                  const file = event.target.files?.[0];
                  if (file) open.mutate(file);
                }}
              />
            )}
          </Field>
          <ErrorSummary error={open.error} />
        </div>
      </Card>
      {open.data && (
        <section key={open.submittedAt} className={`stack wide ${styles.file}`} aria-label="The run in the file">
          <p className={styles.mark}>
            <Icon name="warning" />
            <span>
              <strong>A file, not a record of this server.</strong> “{open.data.name}” says what follows. Whoever had it
              could have changed it.
            </span>
          </p>
          <h2>{open.data.run.rule.name}</h2>
          <p className="soft">{open.data.run.said}</p>
          <State of={open.data.run.ending}>{open.data.run.endingWord}</State>
          {open.data.run.isSimulation && <Simulated />}
          <FromFile value={true}>
            <RunParts run={open.data.run} />
          </FromFile>
        </section>
      )}
    </Page>
  );
}
