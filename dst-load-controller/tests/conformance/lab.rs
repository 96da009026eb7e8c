//! What only a real Kubernetes can show: who may do what, and that kubectl and a client that is not
//! ours see the endpoints that the oracle promises. `just lab-test` runs it.

use std::{
    collections::BTreeSet,
    env,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use dst_load_kubernetes::{
    actor::{
        Actor, Limits, RunIdentity,
        permissions::{Permission, Purpose},
    },
    observer::Observer,
};
use dst_load_oracle::{
    kubernetes::Place,
    ledger::{Ledgers, WatchedService},
};
use dst_load_sandbox::destination::{self, Destination};
use dst_load_scenario::{
    action::{Action, Verb},
    scenario::{Backend, Scenario},
};
use dst_load_transport::{clock::Clock, cluster::Cluster, world::KubeFactory};
use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::{LimitRange, Namespace, ResourceQuota, ServiceAccount},
    rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
};
use kube::{
    Api, Client, Resource,
    api::{DeleteParams, Patch, PatchParams, PostParams},
    config::{AuthInfo, KubeConfigOptions, Kubeconfig},
};
use linkerd2_proxy_api::{
    destination::{GetDestination, destination_client::DestinationClient, update},
    net::ip_address,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

const SECOND: Duration = Duration::from_secs(1);

fn kubeconfig() -> PathBuf {
    let file = env::var_os("DST_LOAD_LAB_KUBECONFIG");
    PathBuf::from(file.expect("DST_LOAD_LAB_KUBECONFIG names no kubeconfig; `just lab-up` makes a lab, and `just lab-test` names its"))
}

/// The lab's API, as its administrator or with a token.
async fn client(token: Option<&str>) -> Client {
    let file = Kubeconfig::read_from(kubeconfig()).unwrap();
    let options = KubeConfigOptions::default();
    let mut config = kube::Config::from_custom_kubeconfig(file, &options)
        .await
        .unwrap();
    if let Some(token) = token {
        config.auth_info = AuthInfo {
            token: Some(token.to_owned().into()),
            ..AuthInfo::default()
        };
    }
    Cluster::from(config).client().unwrap()
}

/// A maker of clients that all are this one.
fn always(kube: Client) -> KubeFactory {
    Arc::new(move || Ok(kube.clone()))
}

/// One Service of 2 endpoints.
fn scenario() -> Arc<Scenario> {
    let text = "churn: {services: 1, pattern: stable, endpoints: 2}";
    let (scenario, _) = Scenario::from_yaml(text, "lab.yaml", &[]).unwrap();
    Arc::new(scenario)
}

async fn put<K>(api: &Api<K>, value: Value)
where
    K: Resource + Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    let name = value["metadata"]["name"].as_str().unwrap().to_owned();
    let apply = PatchParams::apply("lab").force();
    api.patch(&name, &apply, &Patch::Apply(value))
        .await
        .unwrap();
}

// === Permissions ===

/// A ServiceAccount with a role of its own in a namespace of its own.
struct Account {
    admin: Client,
    namespace: String,
    kube: Client,
}

impl Account {
    async fn new() -> Self {
        let admin = client(None).await;
        let namespace = format!("permissions-{}", process::id());
        let object =
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
        put(&Api::<Namespace>::all(admin.clone()), object).await;
        let accounts: Api<ServiceAccount> = Api::namespaced(admin.clone(), &namespace);
        let object =
            json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "load" } });
        put(&accounts, object).await;
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                expiration_seconds: Some(3_600),
                ..TokenRequestSpec::default()
            }),
            ..TokenRequest::default()
        };
        let token = accounts
            .create_token_request("load", &PostParams::default(), &request)
            .await
            .unwrap();
        let kube = client(token.status.unwrap().token.as_deref()).await;
        Self {
            admin,
            namespace,
            kube,
        }
    }

    /// Grants exactly this much, and nothing of the cluster's.
    async fn grant(&self, permissions: &[Permission]) {
        let rule = |one: &Permission| json!({ "apiGroups": [one.group], "resources": [one.resource()], "verbs": [one.verb] });
        let rules = |cluster| -> Vec<_> {
            let these = permissions.iter().filter(|one| one.cluster == cluster);
            these.map(rule).collect()
        };
        let (name, group) = (&self.namespace, "rbac.authorization.k8s.io");
        let subject = json!([{ "kind": "ServiceAccount", "name": "load", "namespace": name }]);
        for cluster in [false, true] {
            let (role, binding) = if cluster {
                ("ClusterRole", "ClusterRoleBinding")
            } else {
                ("Role", "RoleBinding")
            };
            let metadata = json!({ "name": name });
            let version = format!("{group}/v1");
            let made = json!({ "apiVersion": version, "kind": role, "metadata": metadata, "rules": rules(cluster) });
            let bound = json!({
                "apiVersion": version, "kind": binding, "metadata": metadata, "subjects": subject,
                "roleRef": { "apiGroup": group, "kind": role, "name": name },
            });
            if cluster {
                put(&Api::<ClusterRole>::all(self.admin.clone()), made).await;
                put(&Api::<ClusterRoleBinding>::all(self.admin.clone()), bound).await;
            } else {
                put(&Api::<Role>::namespaced(self.admin.clone(), name), made).await;
                put(
                    &Api::<RoleBinding>::namespaced(self.admin.clone(), name),
                    bound,
                )
                .await;
            }
        }
        // The API server's own cache of roles follows a moment later.
        tokio::time::sleep(SECOND).await;
    }

    fn actor(&self, kube: &Client, id: &str) -> Actor {
        let run = RunIdentity {
            id: id.to_owned(),
            scenario: "lab".to_owned(),
        };
        let (clock, namespace) = (Clock::start(), self.namespace.clone());
        Actor::new(
            kube.clone(),
            clock,
            namespace,
            run,
            scenario(),
            Limits::default(),
        )
    }

    /// All that a run asks of Kubernetes, each verb at least once; the first refusal in words.
    async fn run(&self, id: &str) -> Result<(), String> {
        let words = |error: &dyn std::error::Error| error.to_string();
        let ledgers = Ledgers::new(Vec::new(), 30 * SECOND);
        let observer = Observer::new(Arc::new(ledgers), Clock::start());
        let mut synced = observer.clone();
        let kube = always(self.kube.clone());
        tokio::select! {
            ended = observer.watch(&kube, &self.namespace) => {
                return Err(words(&ended.unwrap_err()));
            }
            seen = async {
                synced.synced(20 * SECOND).await?;
                // Only now are the watches asked for.
                tokio::time::sleep(SECOND).await;
                Ok(())
            } => seen.map_err(|error: dst_load_kubernetes::observer::WatchError| words(&error))?,
        }
        let actor = self.actor(&self.kube, id);
        actor.prepare().await.map_err(|error| words(&error))?;
        let by = async |actor: &Actor, verb| {
            let action = Action {
                intended: actor.clock().now(),
                service: 0,
                cycle: 0,
                verb,
            };
            let acted = actor.act(&action).await;
            acted.result.map_err(|error| words(&error))
        };
        by(&actor, Verb::Create { endpoints: 2 }).await?;
        // Again, as where the answers were lost: what is there already is read, and written over.
        let again = self.actor(&self.kube, id);
        by(&again, Verb::Create { endpoints: 2 }).await?;
        by(&actor, Verb::Scale { from: 2, to: 3 }).await?;
        // One heartbeat.
        let beaten = tokio::time::timeout(6 * SECOND, actor.renew_lease()).await;
        if let Ok(error) = beaten {
            return Err(words(&error));
        }
        // The namespace is another's now, which must be seen to be dead.
        let heir = self.actor(&self.kube, &format!("{id}-heir"));
        heir.prepare().await.map_err(|error| words(&error))?;
        heir.cleanup().await.map_err(|error| words(&error))?;
        Ok(())
    }

    /// What a run that was refused has left, with an administrator's rights.
    async fn tidy(&self, id: &str) {
        for id in [id.to_owned(), format!("{id}-heir")] {
            self.actor(&self.admin, &id).cleanup().await.unwrap();
        }
    }

    async fn remove(&self) {
        let (name, delete) = (&self.namespace, DeleteParams::default());
        let roles = Api::<ClusterRole>::all(self.admin.clone());
        let bindings = Api::<ClusterRoleBinding>::all(self.admin.clone());
        let namespaces = Api::<Namespace>::all(self.admin.clone());
        let _ = roles.delete(name, &delete).await;
        let _ = bindings.delete(name, &delete).await;
        let _ = namespaces.delete(name, &delete).await;
    }
}

#[tokio::test]
#[ignore = "needs a lab: `just lab-test`"]
async fn every_permission_that_is_asked_for_is_enough_and_none_can_be_left_out_in_silence() {
    let account = Account::new().await;
    let all = Permission::of(Purpose {
        acts: true,
        endpoints: true,
        watches: true,
        backend: Backend::default(),
    });
    account.grant(&all).await;
    account.run("all").await.unwrap();

    let (needed, dispensable): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|one| one.without.is_none());
    assert!(needed.len() > 15 && !dispensable.is_empty());
    account.grant(&needed).await;
    account.run("needed").await.unwrap();
    account.tidy("needed").await;

    for missing in &needed {
        let rest: Vec<_> = needed.iter().copied().filter(|it| it != missing).collect();
        account.grant(&rest).await;
        let refused = account.run("refused").await.unwrap_err();
        let (verb, resource) = (missing.verb, missing.resource());
        assert!(
            refused.contains(&format!("{verb} {resource}")),
            "without {verb} {resource}: {refused}"
        );
        account.tidy("refused").await;
    }
    account.remove().await;
}

// === Others' eyes ===

/// What kubectl lists as ready endpoints of a Service on port 8080.
fn kubectl(file: &Path, namespace: &str, service: &str) -> BTreeSet<SocketAddr> {
    let output = Command::new("kubectl")
        .arg("--kubeconfig")
        .arg(file)
        .args([
            "--namespace",
            namespace,
            "get",
            "endpointslices",
            "-o",
            "json",
        ])
        .args(["-l", &format!("kubernetes.io/service-name={service}")])
        .output()
        .unwrap();
    let slices: Value = serde_json::from_slice(&output.stdout).unwrap();
    let endpoints = slices["items"].as_array().unwrap().iter();
    endpoints
        .flat_map(|slice| slice["endpoints"].as_array().into_iter().flatten())
        .filter(|endpoint| endpoint["conditions"]["ready"] == true)
        .flat_map(|endpoint| endpoint["addresses"].as_array().unwrap())
        .map(|ip| SocketAddr::new(ip.as_str().unwrap().parse().unwrap(), 8080))
        .collect()
}

/// What a client with the API's own decoding is told first.
async fn another_client(destination: &Destination, path: &str) -> BTreeSet<SocketAddr> {
    let mut client = DestinationClient::new(destination.grpc());
    let get = GetDestination {
        scheme: "k8s".into(),
        path: path.to_owned(),
        ..GetDestination::default()
    };
    let mut updates = client.get(get).await.unwrap().into_inner();
    let told = updates.message().await.unwrap().unwrap().update.unwrap();
    let update::Update::Add(set) = told else {
        panic!("the first message adds nothing");
    };
    let address = |it: &linkerd2_proxy_api::net::TcpAddress| {
        let Some(ip_address::Ip::Ipv4(ip)) = it.ip.as_ref().unwrap().ip else {
            panic!("no IPv4 address");
        };
        let port = u16::try_from(it.port).unwrap();
        SocketAddr::new(IpAddr::V4(Ipv4Addr::from_bits(ip)), port)
    };
    (set.addrs.iter())
        .map(|it| address(it.addr.as_ref().unwrap()))
        .collect()
}

#[tokio::test]
#[ignore = "needs a lab: `just lab-test`"]
async fn kubectl_and_another_client_see_what_the_oracle_promises() {
    let kube = client(None).await;
    let namespace = format!("eyes-{}", process::id());
    let run = RunIdentity {
        id: namespace.clone(),
        scenario: "lab".to_owned(),
    };
    let clock = Clock::start();
    let limits = Limits::default();
    let actor = Actor::new(
        kube.clone(),
        clock,
        namespace.clone(),
        run,
        scenario(),
        limits,
    );
    actor.prepare().await.unwrap();
    let service = WatchedService::new("test-service-1", &namespace, "cluster.local", 8080);
    let path = service.authority.clone();
    let ledgers = Arc::new(Ledgers::new(vec![service], 30 * SECOND));
    let locked = &ledgers.all()[0];
    locked.with(|ledger| ledger.add_stream(Place::default()));
    let observer = Observer::new(Arc::clone(&ledgers), clock);
    let config = destination::Config {
        seed: 1,
        cluster_domain: "cluster.local".into(),
        queue_capacity: 100,
        ipv6: true,
        faults: Vec::new(),
    };
    let destination = Destination::start(config, kube.clone());
    destination.ready().await;
    let looked = async {
        for (step, size) in [2_u32, 150, 40].into_iter().enumerate() {
            let verb = match step {
                0 => Verb::Create { endpoints: size },
                _ => Verb::Scale { from: 0, to: size },
            };
            let action = Action {
                intended: clock.now(),
                service: 0,
                cycle: 0,
                verb,
            };
            actor.act(&action).await.result.unwrap();
            while locked.with(|ledger| ledger.promised()) != size as usize {
                tokio::time::sleep(SECOND / 10).await;
            }
            // For whoever watches on his own.
            tokio::time::sleep(SECOND).await;
            let listed = kubectl(&kubeconfig(), &namespace, "test-service-1");
            assert_eq!(listed.len(), size as usize);
            assert_eq!(another_client(&destination, &path).await, listed);
            let promised = locked.with(|ledger| ledger.promised_addresses());
            assert_eq!(promised, listed);
        }
    };
    let kube = always(kube);
    tokio::select! {
        ended = observer.watch(&kube, &namespace) => panic!("{ended:?}"),
        () = looked => {}
    }
    destination.shutdown().await;
    actor.cleanup().await.unwrap();
}

// === What keeps Pods out ===

/// Three Services of two endpoints.
const SIX: &str = "\
scenario: {name: six, seed: 1}
churn: {services: 3, pattern: stable, endpoints: 2, duration: 2s}
client: {clients: 1}
";

/// A policy that stands for a webhook, of one namespace.
fn policy(namespace: &str) -> [Value; 2] {
    let group = "admissionregistration.k8s.io/v1";
    let metadata = json!({ "name": namespace });
    [
        json!({
            "apiVersion": group, "kind": "ValidatingAdmissionPolicy", "metadata": metadata,
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": { "resourceRules": [{
                    "apiGroups": [""], "apiVersions": ["v1"],
                    "operations": ["CREATE"], "resources": ["pods"],
                }] },
                "validations": [{ "expression": "false", "message": "no images of others" }],
            },
        }),
        json!({
            "apiVersion": group, "kind": "ValidatingAdmissionPolicyBinding", "metadata": metadata,
            "spec": {
                "policyName": namespace, "validationActions": ["Deny"],
                "matchResources": { "namespaceSelector": {
                    "matchLabels": { "kubernetes.io/metadata.name": namespace },
                } },
            },
        }),
    ]
}

/// The tool with these arguments, in a namespace of the lab.
fn tool(directory: &Path, namespace: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dst-load-controller"));
    command.current_dir(directory).args(args);
    command.args(["--namespace", namespace, "--kubeconfig"]);
    command
        .arg(kubeconfig())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn said(output: &process::Output) -> String {
    let both = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it).into_owned());
    both.concat()
}

#[tokio::test]
#[ignore = "needs a lab: `just lab-test`"]
async fn what_keeps_pods_out_of_a_namespace_is_found_by_check_and_told_by_a_run() {
    let admin = client(None).await;
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("six.yaml"), SIX).unwrap();
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "small" },
        "spec": { "hard": { "pods": "4" } },
    });
    let range = json!({
        "apiVersion": "v1", "kind": "LimitRange", "metadata": { "name": "range" },
        "spec": { "limits": [{ "type": "Container", "min": { "cpu": "10m" } }] },
    });
    let (restricted, none) = ("restricted", "privileged");
    let cases = [
        (
            "quota",
            none,
            Some("quota small allows 4 pods, and 6 are wanted"),
            "exceeded quota: small",
        ),
        (
            "range",
            none,
            Some("minimum cpu usage per Container is 10m"),
            "minimum cpu usage per Container is 10m",
        ),
        (
            "policy",
            none,
            Some("no images of others"),
            "no images of others",
        ),
        ("security", restricted, None, ""),
    ];
    let names = cases.map(|(case, ..)| format!("refused-{case}-{}", process::id()));
    for ((case, level, ..), name) in cases.iter().zip(&names) {
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": { "name": name, "labels": { "pod-security.kubernetes.io/enforce": level } },
        });
        put(&Api::<Namespace>::all(admin.clone()), namespace).await;
        match *case {
            "quota" => {
                put(
                    &Api::<ResourceQuota>::namespaced(admin.clone(), name),
                    quota.clone(),
                )
                .await
            }
            "range" => {
                put(
                    &Api::<LimitRange>::namespaced(admin.clone(), name),
                    range.clone(),
                )
                .await
            }
            "policy" => {
                let [policy, binding] = policy(name);
                put(
                    &Api::<ValidatingAdmissionPolicy>::all(admin.clone()),
                    policy,
                )
                .await;
                put(
                    &Api::<ValidatingAdmissionPolicyBinding>::all(admin.clone()),
                    binding,
                )
                .await;
            }
            _ => {}
        }
    }
    // The API server's own caches follow a moment later.
    tokio::time::sleep(5 * SECOND).await;
    for ((_, _, found, _), name) in cases.iter().zip(&names) {
        let output = tool(directory.path(), name, &["check", "six.yaml"])
            .output()
            .unwrap();
        let said = said(&output);
        match found {
            Some(found) => assert!(!output.status.success() && said.contains(found), "{said}"),
            None => {
                assert!(output.status.success(), "{said}");
                assert!(said.contains("√ admits Pods of Deployments"), "{said}");
            }
        }
    }
    let args = [
        "run",
        "six.yaml",
        "--reference",
        "--skip-checks",
        "--no-progress",
    ];
    let runs: Vec<_> = (names.iter())
        .map(|name| {
            tool(directory.path(), name, &args)
                .args(["--output-dir", name])
                .spawn()
                .unwrap()
        })
        .collect();
    for ((_, _, found, told), run) in cases.iter().zip(runs) {
        let output = run.wait_with_output().unwrap();
        let said = said(&output);
        assert_eq!(output.status.success(), found.is_none(), "{said}");
        assert!(said.contains(told), "{said}");
        if found.is_some() {
            assert!(
                said.contains("endpoints were ready after 60s: pods"),
                "{said}"
            );
        }
    }
    let delete = DeleteParams::default();
    for name in &names {
        let _ = Api::<Namespace>::all(admin.clone())
            .delete(name, &delete)
            .await;
    }
    let policies = Api::<ValidatingAdmissionPolicy>::all(admin.clone());
    let _ = policies.delete(&names[2], &delete).await;
    let bindings = Api::<ValidatingAdmissionPolicyBinding>::all(admin);
    let _ = bindings.delete(&names[2], &delete).await;
}
