-- Webhooks: endpoints, what is sent to each, and which events have still to be passed on.
-- Locks: the new column has a constant default, so nothing is rewritten. The new index on outbox reads the table once,
-- under lock: some seconds with millions of rows. It holds pending events only, and none from before.
--
-- due_at and leased_until are by the real time, not the organization's: receivers compare timestamps with their clocks.

ALTER TABLE outbox ADD COLUMN is_pending boolean NOT NULL DEFAULT false;
CREATE INDEX outbox_pending ON outbox (organization_id, id) WHERE is_pending;

-- due_at: something waits to be sent, or sent again. failing_since: since when every attempt has failed.
CREATE TABLE webhook_endpoint (
    organization_id uuid NOT NULL REFERENCES organization,
    id uuid NOT NULL,
    url text NOT NULL,
    events text[] NOT NULL CHECK (cardinality(events) > 0),
    secret text NOT NULL,
    previous_secret text,
    previous_secret_until timestamptz,
    created_at timestamptz NOT NULL,
    disabled_at timestamptz,
    disabled_because text CHECK (disabled_because IN ('BY_HAND', 'GONE', 'SILENT')),
    failing_since timestamptz,
    due_at timestamptz,
    leased_until timestamptz,
    fence bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (organization_id, id),
    CONSTRAINT old_secrets_end CHECK ((previous_secret IS NULL) = (previous_secret_until IS NULL)),
    CONSTRAINT disabled_for_a_reason CHECK ((disabled_at IS NULL) = (disabled_because IS NULL))
);
CREATE INDEX endpoint_due ON webhook_endpoint (organization_id, due_at) WHERE due_at IS NOT NULL AND disabled_at IS NULL;

-- One message to one endpoint, and how far it has come. The body is kept, so that every attempt sends the same.
CREATE TABLE webhook_delivery (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    event_id uuid NOT NULL,
    kind text NOT NULL,
    body text NOT NULL,
    status text NOT NULL DEFAULT 'PENDING' CHECK (status IN ('PENDING', 'DELIVERED', 'FAILED')),
    attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    created_at timestamptz NOT NULL,
    attempted_at timestamptz,
    error text,
    UNIQUE (organization_id, endpoint_id, event_id),
    FOREIGN KEY (organization_id, endpoint_id) REFERENCES webhook_endpoint,
    CONSTRAINT failures_say_why CHECK (status <> 'FAILED' OR error IS NOT NULL)
);
-- What comes next for an endpoint.
CREATE INDEX delivery_pending ON webhook_delivery (organization_id, endpoint_id, event_id) WHERE status = 'PENDING';
-- The last of the indexes: among equals, as they are while the table has no statistics, the planner takes the latest.
ALTER TABLE webhook_delivery ADD PRIMARY KEY (organization_id, id);

GRANT UPDATE (is_pending) ON outbox TO sluiceway_app;
GRANT SELECT, INSERT, UPDATE ON webhook_endpoint, webhook_delivery TO sluiceway_app;
GRANT DELETE ON webhook_delivery TO sluiceway_app;
