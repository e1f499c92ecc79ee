use umbral_presence::RealtimePlugin;

struct Away;

fn main() {
    let _ = RealtimePlugin::new().group_policy_async_fn(|_, _| async { Err::<bool, _>(Away) });
}
