use umbral_presence::RealtimePlugin;

fn main() {
    let _ = RealtimePlugin::new().group_policy_fn(|user, _| user);
}
